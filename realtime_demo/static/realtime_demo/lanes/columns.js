/**
 * Events sorted into columns of pixels, which bounds the cost of a frame.
 *
 * @typedef {object} LaneColumns
 * @property {Uint8Array} ticks what came in each column. 1: news; 2: from before
 * @property {Int32Array} piles how many more, or fewer, are on their way from here on
 * @property {number[]} rings columns of what never came
 */
import { VOID } from "./timeline.js";

/**
 * Sort all events into columns, in one pass for all lanes.
 *
 * @param {import("./timeline.js").Timeline} timeline
 * @param {import("./lanes.js").Row[]} rows
 * @param {number} columns
 * @param {(time: number) => number} column where a time is
 * @param {number} from the time at the left edge: earlier events are skipped
 * @returns {{ published: Uint8Array, lanes: LaneColumns[] }} `published`: 3 where there was an
 *   announcement, 2 a message, 1 a coming or a going
 */
export function toColumns(timeline, rows, columns, column, from) {
  const { tracks, occurrences } = timeline;
  const published = new Uint8Array(columns + 1);
  const lanes = rows.map(() => ({
    ticks: new Uint8Array(columns + 1), // 1: news; 2: from before; 3: never came
    piles: new Int32Array(columns + 2),
    rings: [],
  }));
  for (const occurrence of occurrences) {
    const place = column(occurrence.published);
    if (place > columns) break;
    if (place >= 0) {
      const { type } = occurrence.event;
      const kind = type === "announcement" ? 3 : type === "join" || type === "leave" ? 1 : 2;
      if (kind > published[place]) published[place] = kind;
    }
    for (let index = 0; index < rows.length; index += 1) {
      const track = tracks[index];
      const arrival = occurrence.arrivals[index];
      if (arrival > 0 && arrival < from) continue;
      const { ticks, piles, rings } = lanes[index];
      const isLive = occurrence.live & track.bit;
      let end = columns;
      if (arrival > 0) {
        end = column(arrival);
        if (end >= 0 && end <= columns) ticks[end] ||= isLive ? 1 : 2;
        if (!isLive) continue;
      } else if (arrival === VOID || rows[index].receiver.deliveries.misses(occurrence)) {
        if (place >= 0 && rings.at(-1) !== place) rings.push(place);
        continue;
      } else if (!track.isRunning || occurrence.published < track.since) {
        continue;
      }
      const start = Math.max(0, place);
      if (end > start) {
        piles[start] += 1;
        piles[Math.min(end, columns + 1)] -= 1;
      }
    }
  }
  return { published, lanes };
}
