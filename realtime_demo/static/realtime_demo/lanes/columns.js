/**
 * Events sorted into columns of pixels, which bounds the cost of a frame.
 *
 * @typedef {object} LaneColumns
 * @property {Uint8Array} ticks arrivals in each column. 1: live; 2: published before the lane started
 * @property {Int32Array} waitingChanges change in the number of events on their way from this column
 * @property {number[]} lost columns of events that never arrived
 */
import { NEVER } from "./timeline.js";

/**
 * Sorts all events into columns, in one pass for all lanes.
 *
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./lanes.js").Row[]} rows
 * @param {number} columns
 * @param {(time: number) => number} columnOf returns a time's column
 * @param {number} from the time at the left edge: earlier events are skipped
 * @returns {{ published: Uint8Array, lanes: LaneColumns[] }} `published`: 3 for an announcement,
 *   2 for a message, 1 for joining or leaving
 */
export function toColumns(timeline, rows, columns, columnOf, from) {
  const { tracks, occurrences } = timeline;
  const published = new Uint8Array(columns + 1);
  const lanes = rows.map(() => ({
    ticks: new Uint8Array(columns + 1),
    waitingChanges: new Int32Array(columns + 2),
    lost: [],
  }));
  for (const occurrence of occurrences) {
    const start = columnOf(occurrence.published);
    if (start > columns) break;
    if (start >= 0) {
      const { type } = occurrence.event;
      const kind = type === "announcement" ? 3 : type === "join" || type === "leave" ? 1 : 2;
      if (kind > published[start]) published[start] = kind;
    }
    for (let index = 0; index < rows.length; index += 1) {
      const track = tracks[index];
      const arrival = occurrence.arrivals[index];
      if (arrival > 0 && arrival < from) continue;
      const { ticks, waitingChanges, lost } = lanes[index];
      const isLive = occurrence.live & track.bit;
      let end = columns;
      if (arrival > 0) {
        end = columnOf(arrival);
        if (end >= 0 && end <= columns) ticks[end] ||= isLive ? 1 : 2;
        if (!isLive) continue;
      } else if (arrival === NEVER || rows[index].receiver.deliveries.misses(occurrence)) {
        if (start >= 0 && lost.at(-1) !== start) lost.push(start);
        continue;
      } else if (!track.isRunning || occurrence.published < track.since) {
        continue;
      }
      const first = Math.max(0, start);
      if (end > first) {
        waitingChanges[first] += 1;
        waitingChanges[Math.min(end, columns + 1)] -= 1;
      }
    }
  }
  return { published, lanes };
}
