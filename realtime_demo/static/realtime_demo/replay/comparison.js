/** The deliveries in the output of `compare --json`, as a recording. */
import { gettext } from "../lib/text.js";

const MAX_PAUSE = 3; // seconds without an event: other techniques were measured meanwhile
const NEUTRAL = { dark: "#9da8b9", light: "#566072" }; // for a technique that this page does not have

/** Whether a document is the output of `compare`. */
export const isComparison = (document) => Array.isArray(document?.configurations);

/**
 * Returns the deliveries of each technique's first client in the first configuration. Techniques
 * were measured one after the other with the same schedule, so events with the same number are one
 * event. Throws an error in the page's language if there are no deliveries.
 *
 * @param {any} document
 * @returns {Omit<import("./recording.js").Recording, "format" | "version">}
 */
export function fromComparison({ began, configurations }) {
  const [configuration] = configurations;
  const measurements = Object.values(configuration?.techniques ?? {}).filter(({ events, samples }) => events?.length && samples);
  if (!measurements.length) {
    throw new Error(gettext("This output of compare has figures only. The lanes need the deliveries, “events” and “samples”: write it with compare --json FILE."));
  }
  const published = schedule(measurements);
  const numbers = [...published.keys()];
  const lanes = measurements.map(({ technique, events, samples }) => {
    const sentAt = new Map(events.map(({ number, published: at }) => [number, at]));
    const client = Math.min(...samples.map(([each]) => each));
    const ofClient = samples.filter(([each, number]) => each === client && sentAt.has(number) && published.has(number));
    const deliveries = ofClient.map(([, number, received]) => ({
      event: numbers.indexOf(number),
      at: published.get(number) + (received - sentAt.get(number)) * 1000,
    }));
    return { name: technique, label: technique, colour: NEUTRAL, isStream: false, since: 0, predicted: null, requests: [], cuts: [], duplicates: [], deliveries };
  });
  const ends = lanes.flatMap(({ deliveries }) => deliveries.map(({ at }) => at));
  return {
    began: Date.parse(began) || 0,
    duration: Math.max(...published.values(), ...ends) + 1000,
    room: "compare",
    settings: configuration.settings ?? {},
    lanes,
    events: numbers.map((number, index) => ({
      published: published.get(number),
      event: { id: `compare-${index + 1}`, type: "message", room: "compare", sender: "compare", text: `${number}` },
    })),
    notes: [],
    hidden: [],
  };
}

/** Times of publication by number, from the first technique, with long pauses shortened. */
function schedule(measurements) {
  const [{ events }] = measurements;
  /** @type {Map<number, number>} */
  const times = new Map();
  let [last, at] = [events[0].published, 1000];
  for (const { number, published } of [...events].sort((one, other) => one.published - other.published)) {
    at += Math.min(published - last, MAX_PAUSE) * 1000;
    last = published;
    times.set(number, at);
  }
  return times;
}
