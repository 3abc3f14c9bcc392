/** The table of the last events, with the delay of each technique. */
import { VOID } from "../lanes/timeline.js";
import { sentence } from "../lib/event-text.js";
import { duration, gettext } from "../lib/text.js";

const SHOWN = 50;
const time = new Intl.DateTimeFormat(document.documentElement.lang, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 1,
  hourCycle: "h23",
});

/**
 * Newest first.
 *
 * @param {HTMLTableSectionElement} body
 * @param {import("../lanes/timeline.js").Timeline} timeline
 * @param {import("../sources/receiver.js").Receiver[]} receivers
 */
export function drawEventTable(body, timeline, receivers) {
  const rows = timeline.occurrences
    .slice(-SHOWN)
    .reverse()
    .map((occurrence) => row(occurrence, receivers));
  body.replaceChildren(...rows);
}

function row({ id, event, published, arrivals, live }, receivers) {
  const line = document.createElement("tr");
  line.dataset.id = id;
  line.dataset.type = event.type;
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = time.format(new Date(published));
  const text = document.createElement("td");
  text.dir = "auto";
  text.textContent = sentence(event);
  line.append(head, text);
  receivers.forEach(({ technique, track }, index) => {
    const cell = document.createElement("td");
    cell.dataset.technique = technique.name;
    const arrival = arrivals[index];
    cell.dataset.here = `${arrival > 0}`;
    if (arrival === VOID) cell.textContent = gettext("never arrived");
    else if (!(arrival > 0)) cell.textContent = gettext("not arrived yet");
    else cell.textContent = live & track.bit ? duration(arrival - published) : gettext("from before");
    line.append(cell);
  });
  return line;
}
