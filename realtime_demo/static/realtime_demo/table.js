/** What the canvas shows, as a table: the last events, and how late each technique brought them. */
import { duration, say } from "./strings.js";
import { VOID } from "./timeline.js";
import { sentence } from "./wording.js";

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
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./receiver.js").Receiver[]} receivers
 */
export function drawTable(body, timeline, receivers) {
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
    if (arrival === VOID) cell.textContent = say("never");
    else if (!(arrival > 0)) cell.textContent = say("notHere");
    else cell.textContent = live & track.bit ? duration(arrival - published) : say("backlog");
    line.append(cell);
  });
  return line;
}
