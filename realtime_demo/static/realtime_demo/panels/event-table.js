/** The table of the last events, with the delay of each technique. */
import { NEVER } from "../lanes/timeline.js";
import { make } from "../lib/dom.js";
import { sentence } from "../lib/event-text.js";
import { duration, gettext, timeFormat } from "../lib/text.js";

const MAX_ROWS = 50;
const times = timeFormat({ fractionalSecondDigits: 1 });

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
  const delay = (arrival, isLive) => {
    if (arrival === NEVER) return gettext("never arrived");
    if (!(arrival > 0)) return gettext("not arrived yet");
    return isLive ? duration(arrival - published) : gettext("from before");
  };
  return make(
    "tr",
    { dataset: { id, type: event.type } },
    make("th", { scope: "row", textContent: times.format(published) }),
    make("td", { dir: "auto", textContent: sentence(event) }),
    ...receivers.map(({ technique, track }, index) => {
      const arrival = arrivals[index];
      const dataset = { technique: technique.name, here: `${arrival > 0}` };
      return make("td", { dataset, textContent: delay(arrival, live & track.bit) });
    }),
  );
}
