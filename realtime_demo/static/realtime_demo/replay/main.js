/** The page that plays a recording: reads a file, and shows it on the lanes. */
import { Board } from "../lanes/board.js";
import { Timeline } from "../lanes/timeline.js";
import { now } from "../lib/clock.js";
import { find, findAll } from "../lib/dom.js";
import { listenForKeys } from "../lib/keyboard.js";
import { format, gettext, ngettext, write } from "../lib/text.js";
import { Inspector } from "../panels/inspector.js";
import { recordingName, saveFile } from "../lib/save-file.js";
import { parseRecording } from "./recording.js";
import { Replay } from "./replay.js";
import { toStandalone } from "./standalone.js";

const FIGURES_INTERVAL = 250; // milliseconds
const dates = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });

/** @returns {any} */
const byId = (id) => document.getElementById(id);
const techniques = Object.fromEntries(
  JSON.parse(byId("configuration").textContent).techniques.map((technique) => [technique.name, technique]),
);
/** The recording shown; null before the first file. @type {ReturnType<typeof show> | null} */
let shown = null;

// --- The file --------------------------------------------------------------------------------

byId("file").addEventListener("change", () => open(byId("file").files[0]));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});

/** @param {File | undefined} file */
async function open(file) {
  if (!file) return;
  await showingProblem(file.name, async () => (shown = show(parseRecording(await file.text()))));
}

/** Calls `act`; shows the error if it fails. @param {string} subject @param {() => Promise<unknown>} act */
async function showingProblem(subject, act) {
  const problem = byId("problem");
  problem.hidden = true;
  try {
    await act();
  } catch (error) {
    problem.textContent = `${subject}: ${error.message}`;
    problem.hidden = false;
  }
}

byId("save").addEventListener("click", () =>
  showingProblem(byId("save").textContent, async () => {
    const { recording } = shown.replay;
    saveFile(`${recordingName(recording.began)}.html`, await toStandalone(location.href, recording), "text/html");
  }),
);

// --- The lanes -------------------------------------------------------------------------------

/** @param {import("./recording.js").Recording} recording */
function show(recording) {
  const lanes = recording.lanes.map((lane) => ({ ...lane, ...pick(techniques[lane.name]) }));
  const timeline = new Timeline(lanes.length);
  timeline.maxAge = Infinity;
  const replay = new Replay({ ...recording, lanes }, timeline);
  const element = makeBoard(lanes);
  byId("player").hidden = false;
  const inspector = new Inspector(byId("inspector"), replay.recipients, null);
  inspector.show(null); // the event of the recording before
  let drawnAt = now();
  const board = new Board(element, timeline, replay.recipients, (occurrence) => inspector.show(occurrence), () => {
    const at = now();
    if (!board.isFrozen) replay.advance((at - drawnAt) * Number(byId("speed").value));
    drawnAt = at;
    return replay.time;
  });
  lanes.forEach(({ predicted }, index) => (board.cards[index].predicted = predicted));
  board.window = board.lanes.window;
  for (const input of board.windowInputs) input.addEventListener("change", () => (board.window = Number(input.value)));
  listenForKeys(board.keys(inspector), () => element.isConnected);
  const count = recording.events.length;
  const values = { room: recording.room, date: dates.format(recording.began), count };
  write(byId("about"), format(ngettext("{room}, {date}: {count} event", "{room}, {date}: {count} events", count), values));
  byId("position").max = recording.duration;
  board.run();
  return { replay, board };
}

/** The label and colour of a technique that this page has too: in the page's language. */
const pick = (technique) => technique && { label: technique.label, colour: technique.colour };

/** Makes a board with one card for each lane. @returns {HTMLElement} */
function makeBoard(lanes) {
  const fragment = byId("board-template").content.cloneNode(true);
  const board = find(fragment, ".board");
  const [first, ...others] = findAll(board, ".lane[data-technique]");
  for (const element of others) element.remove();
  const elements = lanes.map(({ name, label }) => {
    const element = first.cloneNode(true);
    element.dataset.technique = name;
    const title = find(element, "h2");
    title.id = `${name}-label`;
    title.lastChild.textContent = label;
    element.setAttribute("aria-labelledby", title.id);
    return element;
  });
  first.replaceWith(...elements);
  board.classList.toggle("has-no-requests", lanes.every(({ requests }) => !requests.length));
  byId("lanes-of-file").replaceChildren(board);
  return board;
}

const embedded = byId("recording"); // in a file of `toStandalone`
if (embedded) {
  shown = show(parseRecording(embedded.textContent));
  for (const element of [find(document, ".drop"), byId("save")]) element.hidden = true;
}

setInterval(() => {
  if (!shown) return;
  const { replay, board } = shown;
  replay.recipients.forEach((_, index) => board.drawCard(index));
  const seconds = format(gettext("{value}\u00a0s"), { value: (replay.position / 1000).toFixed(1) });
  write(byId("position").closest("label").querySelector(".value"), seconds);
  byId("position").setAttribute("aria-valuetext", seconds);
  if (document.activeElement !== byId("position")) byId("position").value = replay.position;
}, FIGURES_INTERVAL);

byId("position").addEventListener("input", () => {
  if (!shown) return;
  const { replay, board } = shown;
  board.freeze(false);
  replay.seek(Number(byId("position").value));
  board.lanes.isStale = true;
});
