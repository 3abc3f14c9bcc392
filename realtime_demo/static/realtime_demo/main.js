/** The page: creates its parts and connects them. */
import { Changes } from "./chat/changes.js";
import { prepareComposer, showError } from "./chat/composer.js";
import { Conversation } from "./chat/conversation.js";
import { RoomList } from "./chat/room-list.js";
import { Session } from "./chat/session.js";
import { Board } from "./lanes/board.js";
import { Timeline } from "./lanes/timeline.js";
import { Clock, now } from "./lib/clock.js";
import { DemoControl } from "./lib/demo-control.js";
import { make } from "./lib/dom.js";
import { listenForKeys } from "./lib/keyboard.js";
import { publish } from "./lib/publish.js";
import { runAlone } from "./lib/run-alone.js";
import { Settings } from "./lib/settings.js";
import { format, gettext, ngettext, write } from "./lib/text.js";
import { Announcer } from "./panels/announcer.js";
import { writeClockNote } from "./panels/clock-note.js";
import { Controls } from "./panels/controls.js";
import { drawEventTable } from "./panels/event-table.js";
import { Forecast } from "./panels/forecast.js";
import { Inspector } from "./panels/inspector.js";
import { prepareRecordButton } from "./panels/record-button.js";
import { Scenarios } from "./panels/scenarios.js";
import { Receiver } from "./sources/receiver.js";

const CLOCK_INTERVAL = 300_000;
const SUMMARY_INTERVAL = 10_000;
const FIGURES_INTERVAL = 250;
const TABLE_INTERVAL = 500;

/** @returns {any} null for an element that a technique's page does not have */
const byId = (id) => document.getElementById(id);
const ifPresent = (id, make) => (byId(id) ? make(byId(id)) : null);

const configuration = JSON.parse(byId("configuration").textContent);
const { room, techniques } = configuration;
const defaults = {
  window: matchMedia("(max-width: 40rem)").matches ? 10 : 30,
  interval: configuration.interval,
  rate: configuration.rate,
  rtt: 0,
  jitter: 0,
  bandwidth: null,
  lanes: techniques.map(({ name }) => name),
  scene: "",
};
const settings = new Settings(defaults, configuration.scenarios?.map(({ slug }) => slug) ?? []);
for (const textContent of settings.problems) byId("notices").append(make("p", { className: "error", role: "alert", textContent }));
const demo = configuration.demo ? new DemoControl(configuration.demo) : null;
const session = new Session(configuration, byId("session"), byId("sender"));
const clock = new Clock();
const timeline = new Timeline(techniques.length);
/** Browsers throttle a hidden page's timers, which causes delays. */
const recordVisibility = () => timeline.hide(document.hidden, now());
recordVisibility();
document.addEventListener("visibilitychange", recordVisibility);

// --- Lanes -----------------------------------------------------------------------------------

const receivers = await Promise.all(
  techniques.map(async (technique, index) => {
    const { [technique.export]: Source } = await import(technique.module);
    return new Receiver(technique, Source, timeline, timeline.tracks[index], {
      clock,
      presenceName: () => session.presenceName,
      options: () => ({ heartbeat: configuration.heartbeat, interval: settings.get("interval") }),
      arrived: (occurrence, isNew) => {
        conversation?.arrived(occurrence, index, isNew);
        inspector?.arrived(occurrence);
      },
      changed: ({ state, text }, isNewState) => {
        board.cards[index].showState();
        if (isNewState) {
          const values = { technique: technique.label, state: text };
          announcer.announce(format(gettext("{technique}: {state}"), values));
        }
        if (state === "stopped" || state === "open") writeLanes();
      },
      onUnauthenticated: () => session.end(),
    });
  }),
);
const board = new Board(byId("board"), timeline, receivers, (occurrence) => {
  inspector?.show(occurrence);
  if (byId("legend")) byId("legend").hidden = Boolean(occurrence);
  if (!occurrence) return;
  inspector?.element.scrollIntoView({ block: "nearest" });
  announcer.describe(occurrence);
});
const announcer = new Announcer(byId("summary"), board.lanes.canvas, receivers);
const forecast = new Forecast(configuration.theory, settings, board.cards);

for (const each of receivers) each.isWanted = settings.get("lanes").includes(each.technique.name);

/** Writes the running lanes to the address. */
function writeLanes() {
  const running = receivers.filter(({ isWanted }) => isWanted);
  settings.set({ lanes: running.map(({ technique }) => technique.name) }, "lanes");
}

/** Resets the figures. */
function resetFigures() {
  for (const each of receivers) each.resetFigures();
  demo?.resetCounts();
}

/** Notes an action of the reader above the lanes. @param {string} text */
function note(text) {
  timeline.note(now(), text);
  announcer.announce(text);
}

// --- Chat ------------------------------------------------------------------------------------

const conversation = ifPresent("conversation", (list) =>
  new Conversation(list, byId("event-template"), techniques, {
    room,
    rooms: configuration.rooms,
    people: byId("people"),
    roomOptions: byId("rooms"),
    isOwn: (event) => session.isOwn(event),
    changes: new Changes(session.permission, byId("text").maxLength, change),
  }),
);

ifPresent("room-list", (element) => {
  const socket = techniques.find(({ name }) => name === "websocket");
  return new RoomList(element, { room, rooms: configuration.rooms, socket, name: () => session.presenceName });
});

/** Edits or deletes an event: by an open WebSocket, otherwise by a request. */
async function change(of, text) {
  showError(byId("outcome"), "");
  if (receivers.some((each) => each.change(room, of, text))) return;
  const event = text ? { type: "edit", of, text } : { type: "delete", of };
  const limits = { text: byId("text").maxLength };
  await publish(configuration.publish, event, limits).catch(({ message, status }) => {
    showError(byId("outcome"), message);
    if (status === 401) session.end();
  });
}

// --- Panels ----------------------------------------------------------------------------------

const inspector = ifPresent("inspector", (element) => new Inspector(element, receivers, demo));
const controls = ifPresent("controls", (element) =>
  new Controls(element, settings, demo, { room, note, outcome: byId("outcome") }),
);
settings.addEventListener("change", (/** @type {any} */ { detail: { names } }) => {
  if (names.includes("window")) board.window = settings.get("window");
  if (names.includes("interval")) {
    for (const each of receivers) if (each.technique.responseEnds === "at once") each.reopen();
  }
  if (names.some((name) => ["interval", "rtt", "jitter", "bandwidth"].includes(name))) resetFigures();
  if (names.some((name) => name !== "window" && name !== "scene")) forecast.update();
});

board.window = settings.get("window");
for (const input of board.windowInputs) {
  input.addEventListener("change", () => settings.set({ window: Number(input.value) }));
}
byId("reset-figures")?.addEventListener("click", () => {
  resetFigures();
  note(gettext("Figures reset"));
});
ifPresent("record", (button) => {
  const values = () => Object.fromEntries(Object.keys(defaults).map((name) => [name, settings.get(name)]));
  prepareRecordButton(button, timeline, board.cards, { room, settings: values, note });
});
ifPresent("scenario", (element) => {
  const announce = (text) => announcer.announce(text);
  const page = { settings, receivers, timeline, forecast, demo, controls, board, resetFigures, note, announce };
  new Scenarios(element, byId("scenario-menu"), configuration.scenarios, page).open();
});

// --- Keys ------------------------------------------------------------------------------------

const help = byId("help");
const keys = { ...board.keys(inspector), "?": () => help?.showModal() };
receivers.forEach((each, index) => {
  keys[`${index + 1}`] = () => each.want(!each.isRunning);
});
if (demo?.mayControl) keys[`${receivers.length + 1}`] = () => controls?.do("feed");
listenForKeys(keys, () => byId("keys")?.checked ?? true);
byId("show-help")?.addEventListener("click", () => help.showModal());

// --- Start -----------------------------------------------------------------------------------

async function readClock() {
  await clock.read(configuration.clock).catch(() => {}); // the lanes already show that the server is unreachable
  ifPresent("clock", (element) => writeClockNote(element, clock));
}

ifPresent("composer", (form) => {
  prepareComposer(form, byId("outcome"), configuration, (event) => session.published(event));
  // The name is the user's presence: all techniques reconnect with it.
  form.elements.sender.addEventListener("change", () => receivers.forEach((each) => each.reopen()));
});
forecast.update();
demo?.addEventListener("state", (/** @type {any} */ { detail: { pages, devices: count } }) => {
  ifPresent("pages", (element) => write(element, format(ngettext("{pages} page is open", "{pages} pages are open", pages), { pages })));
  ifPresent("devices", (element) => write(element, format(ngettext("{count} device connected", "{count} devices connected", count), { count })));
});
demo?.connect();

await readClock(); // before anything can disturb the measurement
setInterval(readClock, CLOCK_INTERVAL);
setInterval(() => announcer.summarise(), SUMMARY_INTERVAL);
// One card at a time, to spread the work over several frames.
let turn = 0;
setInterval(() => {
  turn = (turn + 1) % receivers.length;
  board.drawCard(turn, demo?.counts(receivers[turn].technique.name));
}, FIGURES_INTERVAL / receivers.length);
ifPresent("events", (body) => {
  const details = body.closest("details");
  const draw = () => details.open && drawEventTable(body, timeline, receivers);
  details.addEventListener("toggle", draw);
  setInterval(draw, TABLE_INTERVAL);
});
board.run();

const takeOver = runAlone(
  () => allow(true),
  () => allow(false),
);
byId("take-over")?.addEventListener("click", takeOver);

// Close the connections before logging out: the server would end them with a 401.
document.querySelector(".account form")?.addEventListener("submit", () => {
  for (const each of receivers) each.allow(false);
});

/** Starts all lanes if this tab may run; otherwise stops them. @param {boolean} isAllowed */
function allow(isAllowed) {
  if (byId("other-tab")) byId("other-tab").hidden = isAllowed;
  byId("board").inert = !isAllowed;
  for (const each of receivers) each.allow(isAllowed);
}
