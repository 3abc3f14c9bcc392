/**
 * Recordings: the content of a page's lanes, as a JSON file. Times are milliseconds from the
 * start of the recording.
 *
 * @typedef {object} RecordedLane
 * @property {string} name
 * @property {string} label
 * @property {{ dark: string, light: string }} colour
 * @property {boolean} isStream
 * @property {number} since when it started
 * @property {number[] | null} predicted shares of the histogram's bins
 * @property {{ start: number, head: number | null, end: number | null, answered: boolean }[]} requests
 * @property {number[]} cuts
 * @property {number[]} duplicates
 * @property {{ event: number, at: number }[]} deliveries `event` is an index
 *
 * @typedef {object} Recording
 * @property {string} format
 * @property {number} version
 * @property {number} began Unix milliseconds
 * @property {number} duration
 * @property {string} room
 * @property {Record<string, unknown>} settings
 * @property {RecordedLane[]} lanes
 * @property {{ published: number, event: any }[]} events
 * @property {{ at: number, text: string }[]} notes faults, and changes of settings
 * @property {[number, number | null][]} hidden periods in which the page was hidden
 */
import { format, gettext } from "../lib/text.js";
import { fromComparison, isComparison } from "./comparison.js";

export const FORMAT = "realtime-demo-recording";
export const VERSION = 1;

/**
 * Returns the recording of the time from `from` to `to`.
 *
 * @param {import("../lanes/timeline.js").Timeline} timeline
 * @param {{ technique: any, predicted: number[] | null }[]} lanes in the order of the tracks
 * @param {{ from: number, to: number, room: string, settings: Record<string, unknown> }} page
 * @returns {Recording}
 */
export function toRecording(timeline, lanes, { from, to, room, settings }) {
  const relative = (time) => (Number.isFinite(time) && time <= to ? Math.round((time - from) * 10) / 10 : null);
  const within = (time) => time >= from && time <= to;
  const occurrences = timeline.occurrences.filter(
    ({ published, arrivals }) => within(published) || [...arrivals].some(within),
  );
  return {
    format: FORMAT,
    version: VERSION,
    began: from,
    duration: to - from,
    room,
    settings,
    lanes: lanes.map(({ technique, predicted }, index) => {
      const track = timeline.tracks[index];
      return {
        name: technique.name,
        label: technique.label,
        colour: technique.colour,
        isStream: track.isStream,
        since: relative(track.since),
        predicted,
        requests: track.exchanges
          .filter(({ start, end }) => start <= to && !(end < from))
          .map(({ start, head, end, answered }) => ({
            start: relative(start),
            head: relative(head),
            end: relative(end),
            answered,
          })),
        cuts: track.cuts.filter(within).map(relative),
        duplicates: track.duplicates.filter(within).map(relative),
        deliveries: occurrences
          .map(({ arrivals }, event) => ({ event, at: arrivals[index] > 0 ? relative(arrivals[index]) : null }))
          .filter(({ at }) => at !== null),
      };
    }),
    events: occurrences.map(({ published, event }) => ({ published: relative(published), event })),
    notes: timeline.notes.filter(({ at }) => within(at)).map(({ at, text }) => ({ at: relative(at), text })),
    hidden: timeline.hidden.filter(([start]) => start <= to).map(([start, end]) => [relative(start), relative(end)]),
  };
}

/**
 * Reads a recording, or the output of `compare --json`. Throws an error in the page's language that
 * says what was expected.
 *
 * @param {string} text
 * @returns {Recording}
 */
export function parseRecording(text) {
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error(gettext("This file is not JSON. Expected a recording of the page, or the output of compare --json."));
  }
  if (isComparison(document)) return { format: FORMAT, version: VERSION, ...fromComparison(document) };
  if (document?.format !== FORMAT) {
    throw new Error(format(gettext("This file is neither a recording (“format”: “{name}”) nor the output of compare --json."), { name: FORMAT }));
  }
  if (document.version !== VERSION) {
    throw new Error(format(gettext("This recording has version {version}; expected version {expected}."), { version: `${document.version}`, expected: VERSION }));
  }
  const wrong = PARTS.find(([, isRight]) => !isRight(document));
  if (wrong) throw new Error(format(gettext("This recording is damaged: “{part}” is missing or invalid."), { part: wrong[0] }));
  return document;
}

const isTime = (value) => Number.isFinite(value);
const isTimeOrNull = (value) => value === null || isTime(value);
const isListOf = (isItem) => (list) => Array.isArray(list) && list.every(isItem);

/** @type {[string, (document: any) => boolean][]} */
const PARTS = [
  ["began", ({ began }) => isTime(began)],
  ["duration", ({ duration }) => duration > 0],
  ["events", ({ events }) => isListOf(({ published, event }) => isTime(published) && /-\d+$/.test(event?.id))(events)],
  ["notes", ({ notes }) => isListOf(({ at, text }) => isTime(at) && typeof text === "string")(notes)],
  ["hidden", ({ hidden }) => isListOf(isListOf(isTimeOrNull))(hidden)],
  ["lanes", ({ lanes, events }) => lanes?.length > 0 && isListOf((lane) => isLane(lane, events.length))(lanes)],
];

const isLane = ({ name, label, colour, since, requests, cuts, duplicates, deliveries }, events) =>
  [name, label, colour?.dark, colour?.light].every((text) => typeof text === "string") &&
  isTimeOrNull(since) &&
  isListOf(({ start, head, end }) => isTime(start) && isTimeOrNull(head) && isTimeOrNull(end))(requests) &&
  isListOf(isTime)(cuts) &&
  isListOf(isTime)(duplicates) &&
  isListOf(({ event, at }) => isTime(at) && event >= 0 && event < events)(deliveries);
