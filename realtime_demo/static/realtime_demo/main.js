/** The page: a lane and a card for each technique, one clock, one conversation, one tab. */
import { Settings } from "./address.js";
import { Card } from "./card.js";
import { Changes } from "./changes.js";
import { Clock, now } from "./clock.js";
import { prepareComposer, publish, tell } from "./composer.js";
import { Controls } from "./controls.js";
import { Conversation } from "./conversation.js";
import { Forecast } from "./forecast.js";
import { Inspector } from "./inspector.js";
import { listenForKeys } from "./keyboard.js";
import { Lanes } from "./lanes.js";
import { runAlone } from "./lock.js";
import { Moment } from "./moment.js";
import { Receiver } from "./receiver.js";
import { prepareScenes } from "./scenes.js";
import { Stage } from "./stage.js";
import { beside } from "./statistics.js";
import { duration, say } from "./strings.js";
import { drawTable } from "./table.js";
import { Timeline } from "./timeline.js";
import { sentence } from "./wording.js";

const CLOCK_EVERY = 300_000;
const SUMMARY_EVERY = 10_000;
const FIGURES_EVERY = 250;
const TABLE_EVERY = 500;

const element = (id) => document.getElementById(id);
/** Parts of the page that a page of one technique does without. */
const where = (id, make) => (element(id) ? make(element(id)) : null);

const configuration = JSON.parse(element("configuration").textContent);
const { techniques } = configuration;
const settings = new Settings({
  window: matchMedia("(max-width: 40rem)").matches ? 10 : 30,
  interval: configuration.interval,
  rate: configuration.rate,
  rtt: 0,
  jitter: 0,
  bandwidth: null,
  lanes: techniques.map(({ name }) => name),
  scene: "",
});
const stage = configuration.stage ? new Stage(configuration.stage) : null;
const clock = new Clock();
const timeline = new Timeline(techniques.length);
const receivers = await Promise.all(techniques.map(receiver));
const rows = receivers.map((each) => ({
  receiver: each,
  element: element("board").querySelector(`[data-technique="${each.technique.name}"]`),
}));
element("board").style.setProperty("--lanes", rows.length);
rows.forEach((row, index) => row.element.style.setProperty("--row", `${index + 2}`));
const cards = rows.map((row) => new Card(row.element, row.receiver));
const lanes = new Lanes(element("lanes"), timeline, rows);
lanes.window = settings.get("window");
const forecast = new Forecast(configuration.theory, settings, cards);

async function receiver(technique, index) {
  const { [technique.export]: Source } = await import(technique.module);
  const page = {
    clock,
    isVisible: (since) => since >= visibleSince,
    name: () => (configuration.name ? configuration.name : ownName()),
    options: () => ({ heartbeat: configuration.heartbeat, interval: settings.get("interval") }),
    arrived: (from, occurrence, isNew) => {
      conversation?.arrived(occurrence, index, isNew);
      inspector?.arrived(occurrence);
    },
    changed: (from, isNews) => {
      cards[index].showState();
      if (isNews) announce(say("stateChange", { technique: technique.label, state: from.words }));
      if (from.state === "stopped" || from.state === "open") rememberLanes();
    },
    unknown: sessionEnded,
  };
  return new Receiver(technique, Source, timeline, timeline.tracks[index], page);
}

/** Which lanes run is part of the address. */
function rememberLanes() {
  const wanted = receivers.filter(({ isWanted }) => isWanted);
  settings.set({ lanes: wanted.map(({ technique }) => technique.name) }, "lanes");
}

for (const each of receivers) each.isWanted = settings.get("lanes").includes(each.technique.name);

// --- Hidden time: timers are throttled, and the delays they cause are the browser's doing --

let visibleSince = document.hidden ? Infinity : 0;
if (document.hidden) timeline.hide(true, now());
document.addEventListener("visibilitychange", () => {
  timeline.hide(document.hidden, now());
  visibleSince = document.hidden ? Infinity : now();
});

// --- For screen readers: now and then, in one sentence -------------------------------------

let summarised = 0;

function announce(words) {
  if (element("summary")) element("summary").textContent = words;
}

function summarise() {
  const count = Math.max(...receivers.map(({ ledger }) => ledger.received));
  if (count === summarised) return;
  summarised = count;
  const medians = receivers
    .filter(({ delays }) => delays.count)
    .map(({ technique, delays }) =>
      say("summaryItem", { technique: technique.label, delay: duration(delays.figures.median) }),
    );
  if (!medians.length) return;
  const words = say("summary", { count, medians: medians.join(", ") });
  announce(words);
  lanes.canvas.setAttribute("aria-label", words);
}

// --- The conversation ----------------------------------------------------------------------

const ownName = () => element("sender")?.value.trim() ?? "";
const conversation = where("conversation", (list) =>
  new Conversation(list, element("event-template"), techniques, {
    room: configuration.room,
    rooms: configuration.rooms,
    here: element("here"),
    options: element("rooms"),
    ownName,
    changes: new Changes(configuration.changes, element("text").maxLength, change),
  }),
);

/** Over the WebSocket, which goes both ways, while that is open. */
async function change(of, text) {
  const { room, publish: url } = configuration;
  tell(element("outcome"), "");
  if (receivers.some((each) => each.change(room, of, text))) return;
  const what = text ? { type: "edit", of, text } : { type: "delete", of };
  const limits = { text: element("text").maxLength };
  await publish(url, what, limits).catch(({ message, status }) => {
    tell(element("outcome"), message);
    if (status === 401) sessionEnded();
  });
}

/** Whoever was logged in is nobody from here on, until they log in again. */
function sessionEnded() {
  if (!configuration.name || !element("session")) return;
  configuration.name = "";
  Object.assign(configuration.changes, { name: "", isStaff: false });
  element("session").hidden = false;
  where("sender", (input) => (input.readOnly = false));
  for (const part of document.querySelectorAll(".event .actions, .account form")) part.remove();
}

// --- Time: it moves, or it is frozen -------------------------------------------------------

const moment = new Moment(lanes, element("board"), element("freeze"), (occurrence) => {
  inspector?.show(occurrence);
  if (element("legend")) element("legend").hidden = Boolean(occurrence) || Boolean(situation?.scene);
  if (situation) situation.element.hidden = Boolean(occurrence) || !situation.scene;
  if (!occurrence) return;
  inspector?.element.scrollIntoView({ block: "nearest" });
  const delays = receivers.map(({ technique }, index) => {
    const delay = occurrence.arrivals[index] > 0 ? occurrence.arrivals[index] - occurrence.published : NaN;
    return say("summaryItem", { technique: technique.label, delay: duration(delay) });
  });
  announce(say("picked", { event: sentence(occurrence.event), delays: delays.join(", ") }));
});

// --- Controls --------------------------------------------------------------------------------

function note(text) {
  timeline.note(now(), text);
  announce(text);
}
const inspector = where("inspector", (part) => new Inspector(part, receivers, stage));
const controls = where("controls", (part) =>
  new Controls(part, settings, stage, { room: configuration.room, note, outcome: element("outcome") }),
);

/** From here on the figures are of what comes. */
function forget() {
  for (const each of receivers) each.forget();
  countedFrom = stage?.state?.techniques ?? {};
}

settings.addEventListener("change", ({ detail: { names } }) => {
  if (names.includes("window")) showWindow();
  if (names.includes("interval")) {
    receivers.find(({ technique }) => technique.name === "polling")?.reopen();
  }
  if (names.some((name) => ["interval", "rtt", "jitter", "bandwidth"].includes(name))) forget();
  if (names.some((name) => name !== "window" && name !== "scene")) forecast.renew();
});

function showWindow() {
  lanes.window = settings.get("window");
  lanes.isStale = true;
  for (const input of document.querySelectorAll("[name=window]")) {
    input.checked = Number(input.value) === lanes.window;
  }
}

for (const input of document.querySelectorAll("[name=window]")) {
  input.addEventListener("change", () => settings.set({ window: Number(input.value) }));
}
element("forget")?.addEventListener("click", () => {
  forget();
  note(say("noteForgotten"));
});

// --- What the tap counted ----------------------------------------------------------------------

let countedFrom = null;

stage?.addEventListener("state", ({ detail: { techniques: counted } }) => {
  countedFrom ??= counted;
  for (const card of cards) {
    const { name } = card.receiver.technique;
    if (!counted[name]) continue;
    const from = countedFrom[name] ?? { up: 0, down: 0 };
    const { up, down, connections } = counted[name];
    card.tapped = { up: up - from.up, down: down - from.down, connections };
  }
});

// --- Situations --------------------------------------------------------------------------------

const { situation, open } = where("situation", (part) => {
  const { room, situations } = configuration;
  const legend = element("legend");
  const page = { room, settings, receivers, stage, controls, moment, legend, forget, note, announce };
  return prepareScenes(part, element("scene"), situations ?? [], page);
}) ?? {};
open?.();

// --- Keys ----------------------------------------------------------------------------------------

const help = element("help");
const keys = {
  " ": () => moment.freeze(),
  Escape: () => (lanes.selected ? moment.select(null) : moment.freeze(false)),
  ArrowLeft: () => moment.move(-1),
  ArrowRight: () => moment.move(1),
  ArrowUp: () => inspector?.move(-1),
  ArrowDown: () => inspector?.move(1),
  "?": () => help?.showModal(),
};
receivers.forEach((each, index) => {
  keys[`${index + 1}`] = () => each.want(!each.isRunning);
});
if (stage?.mayControl) keys[`${receivers.length + 1}`] = () => controls?.do("feed");
listenForKeys(keys, () => element("keys")?.checked ?? true);
element("show-help")?.addEventListener("click", () => help.showModal());

// --- The clock -------------------------------------------------------------------------------------

async function readClock() {
  await clock.read(configuration.clock).catch(() => {}); // unreachable: the lanes say so
  if (clock.uncertainty === Infinity || !element("clock")) return;
  const { correction, offset } = clock;
  element("clock").textContent = say(correction ? "clockCorrected" : "clockAgrees", {
    uncertainty: duration(clock.uncertainty),
    offset: duration(Math.abs(offset)),
    direction: say(offset > 0 ? "ahead" : "behind"),
  });
}

// -----------------------------------------------------------------------------------------------------

where("composer", (form) => {
  // Who has a name of their own publishes under it, and is known by that.
  const published = ({ verified }) => configuration.changes.name && !verified && sessionEnded();
  prepareComposer(form, element("outcome"), configuration.publish, published);
  // A name is a presence: everyone is told, and all techniques come in under it.
  form.elements.sender.addEventListener("change", () => receivers.forEach((each) => each.reopen()));
});
showWindow();
forecast.renew();
stage?.follow();

await readClock(); // while there is nothing yet that could disturb the reading
setInterval(readClock, CLOCK_EVERY);
setInterval(summarise, SUMMARY_EVERY);
// In turn: no frame has to draw them all.
let turn = 0;
setInterval(() => {
  turn = (turn + 1) % cards.length;
  cards[turn].draw(beside(receivers.map(({ delays }) => delays))[turn], timeline.latest);
}, FIGURES_EVERY / cards.length);
where("events", (body) => {
  const shown = body.closest("details");
  const draw = () => shown.open && drawTable(body, timeline, receivers);
  shown.addEventListener("toggle", draw);
  setInterval(draw, TABLE_EVERY);
});
moment.run();

const takeOver = runAlone(
  () => allow(true),
  () => allow(false),
);
element("take-over")?.addEventListener("click", takeOver);

// Whoever logs out takes leave first: what is still open would be ended with a 401.
document.querySelector(".account form")?.addEventListener("submit", () => {
  for (const each of receivers) each.allow(false);
});

function allow(running) {
  if (element("elsewhere")) element("elsewhere").hidden = running;
  element("board").inert = !running;
  for (const each of receivers) each.allow(running);
}
