/** The page: a pane for each technique, one clock, one form, one tab. */
import { Clock } from "./clock.js";
import { prepareComposer } from "./composer.js";
import { runAlone } from "./lock.js";
import { Pane } from "./pane.js";
import { duration, say } from "./strings.js";

const CLOCK_EVERY = 300_000;
const SUMMARY_EVERY = 10_000;

const element = (id) => document.getElementById(id);
const configuration = JSON.parse(element("configuration").textContent);

const clock = new Clock();
const changed = new Set();
const panes = await Promise.all(configuration.techniques.map(prepare));

async function prepare(technique) {
  const pane = document.querySelector(`[data-technique="${technique.name}"]`);
  const { [technique.export]: Source } = await import(technique.module);
  const options = { heartbeat: configuration.heartbeat };
  const open = (since) => new Source(technique.url, { ...options, since });
  return new Pane(pane, technique, open, clock, { changed: note, isVisible });
}

// --- Drawing, once a frame ----------------------------------------------------------------

function note(pane, state) {
  if (state) announce(say("stateChange", { technique: pane.label, state }));
  if (!changed.size) requestAnimationFrame(draw);
  changed.add(pane);
}

function draw() {
  for (const pane of changed) pane.draw();
  changed.clear();
  summarise();
}

// --- Hidden time: timers are throttled, and the delays they cause are the browser's doing --

let visibleSince = document.hidden ? Infinity : 0;
document.addEventListener("visibilitychange", () => {
  visibleSince = document.hidden ? Infinity : performance.timeOrigin + performance.now();
});

function isVisible(since) {
  return since >= visibleSince;
}

// --- For screen readers: now and then, in one sentence -------------------------------------

let summarised = 0;
let summaryTimer;

function announce(words) {
  element("summary").textContent = words;
}

function summarise() {
  summaryTimer ??= setTimeout(() => {
    summaryTimer = undefined;
    const count = Math.max(...panes.map(({ ledger }) => ledger.received));
    if (count === summarised) return;
    summarised = count;
    const medians = panes
      .filter(({ delays }) => delays.length)
      .map(({ label, median }) => say("summaryItem", { technique: label, delay: duration(median) }));
    if (medians.length) announce(say("summary", { count, medians: medians.join(", ") }));
  }, SUMMARY_EVERY);
}

// --- The clock -----------------------------------------------------------------------------

async function readClock() {
  await clock.read(configuration.clock).catch(() => {}); // unreachable: the panes say so
  if (clock.uncertainty === Infinity) return;
  const { correction, offset } = clock;
  element("clock").textContent = say(correction ? "clockCorrected" : "clockAgrees", {
    uncertainty: duration(clock.uncertainty),
    offset: duration(Math.abs(offset)),
    direction: say(offset > 0 ? "ahead" : "behind"),
  });
}

// -------------------------------------------------------------------------------------------

prepareComposer(element("composer"), element("outcome"), configuration.publish);

await readClock(); // while there is nothing yet that could disturb the reading
setInterval(readClock, CLOCK_EVERY);
const takeOver = runAlone(
  () => allow(true),
  () => allow(false),
);
element("take-over").addEventListener("click", takeOver);

function allow(running) {
  element("elsewhere").hidden = running;
  element("panes").inert = !running;
  for (const pane of panes) pane.allow(running);
}
