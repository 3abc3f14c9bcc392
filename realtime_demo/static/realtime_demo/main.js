/** The page: a lane and a card for each technique, one clock, one conversation, one tab. */
import { Settings } from "./address.js";
import { Card } from "./card.js";
import { Clock, now } from "./clock.js";
import { prepareComposer } from "./composer.js";
import { Controls } from "./controls.js";
import { Conversation } from "./conversation.js";
import { Inspector } from "./inspector.js";
import { listenForKeys } from "./keyboard.js";
import { Lanes } from "./lanes.js";
import { runAlone } from "./lock.js";
import { Receiver } from "./receiver.js";
import { Situation } from "./situation.js";
import { Stage } from "./stage.js";
import { predictedShares } from "./statistics.js";
import { duration, percent, say } from "./strings.js";
import { drawTable } from "./table.js";
import { Timeline } from "./timeline.js";
import { sentence } from "./wording.js";

const CLOCK_EVERY = 300_000;
const SUMMARY_EVERY = 10_000;
const FIGURES_EVERY = 250;
const TABLE_EVERY = 500;
const STEP = 1_000; // between two frames, where motion is to be reduced

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

async function receiver(technique, index) {
  const { [technique.export]: Source } = await import(technique.module);
  const page = {
    clock,
    isVisible: (since) => since >= visibleSince,
    name: () => (configuration.name ? configuration.name : ownName()),
    options: () => ({ heartbeat: configuration.heartbeat, interval: settings.get("interval") }),
    arrived: (from, occurrence, isNew) => conversation?.arrived(occurrence, index, isNew),
    changed: (from, isNews) => {
      cards[index].showState();
      if (isNews) announce(say("stateChange", { technique: technique.label, state: from.words }));
      if (from.state === "stopped" || from.state === "open") rememberLanes();
    },
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
  }),
);

// --- Time: it moves, or it is frozen -------------------------------------------------------

let frozenAt = null;
let drawnAt = -Infinity;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function frame() {
  const at = now();
  const isDue = frozenAt === null ? !calm.matches || at - drawnAt >= STEP : false;
  if (isDue || lanes.isStale) {
    lanes.isStale = false;
    lanes.draw(frozenAt ?? at);
    drawnAt = at;
  }
  requestAnimationFrame(frame);
}

function freeze(isFrozen = frozenAt === null) {
  frozenAt = isFrozen ? (frozenAt ?? now()) : null;
  element("board").classList.toggle("is-frozen", isFrozen);
  element("freeze")?.setAttribute("aria-pressed", `${isFrozen}`);
  if (!isFrozen) select(null);
  lanes.isStale = true;
}

function select(occurrence) {
  lanes.selected = occurrence;
  lanes.isStale = true;
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
}

/** The next event to either side; the newest where none is picked. @param {number} step */
function move(step) {
  if (frozenAt === null) {
    freeze(true);
    lanes.draw(frozenAt);
  }
  const { visible, selected } = lanes;
  const place = selected ? visible.indexOf(selected) + step : visible.length - 1;
  if (visible[place]) select(visible[place]);
}

lanes.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
  const picked = lanes.pick(offsetX, offsetY);
  if (!picked && frozenAt !== null) return select(null);
  freeze(true);
  if (picked) select(picked);
});
element("freeze")?.addEventListener("click", () => freeze());

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
  if (names.some((name) => name !== "window" && name !== "scene")) predict();
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

// --- What was predicted ------------------------------------------------------------------------

let predicting = new AbortController();
let predictTimer;

function predict() {
  clearTimeout(predictTimer);
  predictTimer = setTimeout(askTheory, 200);
}

async function askTheory() {
  predicting.abort();
  predicting = new AbortController();
  const query = new URLSearchParams();
  for (const name of ["rate", "interval", "rtt", "jitter", "bandwidth"]) {
    if (settings.get(name) !== null) query.set(name, settings.get(name));
  }
  try {
    const { signal } = predicting;
    const response = await fetch(`${configuration.theory}?${query}`, { signal });
    const predictions = response.ok ? await response.json() : {};
    for (const card of cards) {
      const density = predictions[card.receiver.technique.name]?.density;
      card.predicted = density ? predictedShares(density) : null;
    }
  } catch {
    // Another question came first, or the server is away: the curves stay as they are.
  }
}

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

const extra = [];

/** What a scene may do besides the controls' own actions. */
const ACTIONS = {
  connections: ({ count = 3 }) => {
    for (let index = 0; index < count; index += 1) {
      const ending = new AbortController();
      extra.push(ending);
      const url = new URL(`/streaming/${configuration.room}/`, location.href);
      url.searchParams.set("extra", `${extra.length}`);
      fetch(url, { cache: "no-store", signal: ending.signal }).catch(() => {});
    }
    note(say("noteConnections", { count }));
  },
  resume: async () => {
    for (const ending of extra.splice(0)) ending.abort();
    const faults = stage?.state?.faults;
    if (!faults || !stage.mayControl) return;
    if (faults.stalled.length) await controls.do("stall", { on: false });
    if (faults.buffering) await controls.do("buffering", { on: false });
    if (faults.gzip) await controls.do("gzip", { on: false });
  },
};

function act({ after, do: action, ...what }) {
  if (ACTIONS[action]) return ACTIONS[action](what);
  if (Object.hasOwn(what, "settings")) return settings.set(what.settings, "scene");
  return controls.do(action, Object.keys(what).length ? what : undefined);
}

function figures() {
  const values = {};
  const total = { lost: 0, doubled: 0, reconnects: 0, requests: 0 };
  for (const { technique, delays, ledger, track, reconnects } of receivers) {
    const { median, p95 } = delays.figures;
    const own = {
      median: duration(median),
      p95: duration(p95),
      requests: track.requests,
      empty: percent(track.emptyShare),
      reconnects,
      lost: ledger.lost,
      doubled: ledger.doubled,
      received: ledger.received,
      open: track.open,
    };
    for (const [name, value] of Object.entries(own)) values[`${name}.${technique.name}`] = value;
    for (const name of Object.keys(total)) total[name] += own[name];
  }
  for (const [name, value] of Object.entries(total)) values[`${name}.total`] = value;
  return values;
}

/** The settings that a scene may change, as they are without one. */
const usual = () =>
  Object.fromEntries(
    ["rtt", "jitter", "bandwidth", "interval", "rate"].map((name) => [name, settings.default(name)]),
  );

const situation = where("situation", (part) =>
  new Situation(part, configuration.situations ?? [], {
    hasStage: stage?.mayControl ?? false,
    prepare: (scene) => {
      freeze(false);
      const { lanes: wanted, ...rest } = scene.settings ?? {};
      settings.set({ ...usual(), ...rest }, "scene");
      for (const each of receivers) each.want(!wanted || `${wanted}`.includes(each.technique.name));
      if (stage?.mayControl) controls.do("feed", { running: true });
      forget();
    },
    act,
    figures,
    announce,
  }),
);

where("scene", (menu) => {
  const open = () => {
    menu.value = settings.get("scene");
    const wasOpen = situation.scene !== null;
    situation.open(menu.value);
    if (wasOpen && !situation.scene) settings.set(usual(), "scene");
    element("legend").hidden = Boolean(situation.scene);
    if (situation.scene) freeze(false);
  };
  for (const { slug, title } of situation.scenes) menu.append(new Option(title, slug));
  menu.closest("[data-menu]").hidden = !situation.scenes.length;
  menu.addEventListener("change", () => settings.set({ scene: menu.value }));
  situation.parts.close.addEventListener("click", () => settings.set({ scene: "" }));
  settings.addEventListener("change", ({ detail }) => detail.names.includes("scene") && open());
  open();
});

// --- Keys ----------------------------------------------------------------------------------------

const help = element("help");
const keys = {
  " ": () => freeze(),
  Escape: () => (lanes.selected ? select(null) : freeze(false)),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
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
  prepareComposer(form, element("outcome"), configuration.publish);
  // A name is a presence: everyone is told, and all techniques come in under it.
  form.elements.sender.addEventListener("change", () => receivers.forEach((each) => each.reopen()));
});
showWindow();
predict();
stage?.follow();

await readClock(); // while there is nothing yet that could disturb the reading
setInterval(readClock, CLOCK_EVERY);
setInterval(summarise, SUMMARY_EVERY);
setInterval(() => {
  for (const card of cards) card.draw(timeline.latest);
}, FIGURES_EVERY);
where("events", (body) => {
  const shown = body.closest("details");
  const draw = () => shown.open && drawTable(body, timeline, receivers);
  shown.addEventListener("toggle", draw);
  setInterval(draw, TABLE_EVERY);
});
requestAnimationFrame(frame);

const takeOver = runAlone(
  () => allow(true),
  () => allow(false),
);
element("take-over")?.addEventListener("click", takeOver);

function allow(running) {
  if (element("elsewhere")) element("elsewhere").hidden = running;
  element("board").inert = !running;
  for (const each of receivers) each.allow(running);
}
