/** The table of the last events, with the delay of each technique. */
import { NEVER } from "../lanes/timeline.js";
import { sentence } from "../lib/event-text.js";
import { duration, gettext } from "../lib/text.js";

const MAX_ROWS = 50;
const timeFormat = new Intl.DateTimeFormat(document.documentElement.lang, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 1,
  hourCycle: "h23",
});

/**
 * Draws the table, newest first.
 *
 * @param {HTMLTableSectionElement} body
 * @param {import("../lanes/timeline.js").Timeline} timeline
 * @param {import("../sources/receiver.js").Receiver[]} receivers
 */
export function drawEventTable(body, timeline, receivers) {
  const rows = timeline.occurrences
    .slice(-MAX_ROWS)
    .reverse()
    .map((occurrence) => row(occurrence, receivers));
  body.replaceChildren(...rows);
}

function row({ id, event, published, arrivals, live }, receivers) {
  const element = document.createElement("tr");
  element.dataset.id = id;
  element.dataset.type = event.type;
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = timeFormat.format(new Date(published));
  const text = document.createElement("td");
  text.dir = "auto";
  text.textContent = sentence(event);
  element.append(head, text);
  receivers.forEach(({ technique, track }, index) => {
    const cell = document.createElement("td");
    cell.dataset.technique = technique.name;
    const arrival = arrivals[index];
    cell.dataset.here = `${arrival > 0}`;
    if (arrival === NEVER) cell.textContent = gettext("never arrived");
    else if (!(arrival > 0)) cell.textContent = gettext("not arrived yet");
    else cell.textContent = live & track.bit ? duration(arrival - published) : gettext("from before");
    element.append(cell);
  });
  return element;
}
