/** The drawing of one lane: requests as bars, events as ticks, and faults. */
import { duration } from "../lib/text.js";

const MIN_BAR_WIDTH = 5; // pixels of a bar, if there is room
const MAX_SHAPES = 160; // with more ticks than this in a lane, none gets its technique's shape
const WAITING_SHARE = 0.6; // the share of the remaining height that each further event on its way takes

/** @param {import("./lanes.js").Lanes} picture @param {number} index of the lane */
export function drawLane(picture, index) {
  const { pen, columns } = picture;
  const { context } = pen;
  const { shapes } = picture;
  const { top, height } = picture.positions[index];
  const track = picture.timeline.tracks[index];
  const colour = picture.colours[index];
  const label = picture.isStacked ? 16 : 0;
  const bars = { top: top + 7 + label, height: Math.max(8, (height - label) * 0.26) };
  const bottom = top + height - 7;
  const waitingSpace = bottom - bars.top - bars.height - 5;
  const { ticks, waitingChanges, lost } = picture.laneColumns[index];

  drawBars(picture, track, bars, index);

  // Events on their way: published, not arrived yet.
  let waiting = 0;
  let from = 0;
  const flush = (to) => {
    if (!waiting || to <= from) return;
    const waitingHeight = waitingSpace * (1 - 1 / (1 + WAITING_SHARE * waiting));
    pen.rect(from, bottom - waitingHeight, to - from, waitingHeight, 0.42);
    pen.rect(from, bottom - waitingHeight, to - from, 1.5);
  };
  context.fillStyle = colour;
  for (let column = 0; column <= columns; column += 1) {
    if (!waitingChanges[column]) continue;
    flush(column);
    waiting += waitingChanges[column];
    from = column;
  }
  flush(columns);

  // Adjacent ticks are one mark.
  let count = 0;
  for (let column = 0; column < ticks.length; column += 1) {
    const kind = ticks[column];
    if (!kind) continue;
    const first = column;
    while (ticks[column + 1] === kind) column += 1;
    const width = column - first;
    count += width + 1;
    const [line, bar] = kind === 2 ? [0.3, 0.3] : [0.8, 1];
    pen.rect(first - 0.7, bars.top + bars.height - 1, width + 1.4, bottom - bars.top - bars.height + 1, line);
    if (track.isStream) pen.rect(first - 2, bars.top, width + 4, bars.height, bar);
  }
  if (count <= MAX_SHAPES) {
    for (let column = 0; column < ticks.length; column += 1) {
      if (ticks[column] === 1) pen.shape(shapes[index], column, bottom, 0.5);
    }
  }

  const middle = bars.top + bars.height / 2;
  for (const column of lost.slice(-200)) pen.ring(column, bottom - 5);
  for (const time of track.duplicates) pen.diamond(picture.column(time), bottom - 5);
  for (const time of track.cuts) pen.cross(picture.column(time), middle, Math.min(8, bars.height / 2));
}

/** Draws the name and the median of a lane whose card is not beside it. */
export function drawLabel(picture, index) {
  const { pen, columns } = picture;
  const { top } = picture.positions[index];
  const { delays, technique } = picture.rows[index].receiver;
  pen.context.fillStyle = picture.colours[index];
  pen.rect(0, top + 2, picture.relativeMedians[index] * columns, 17, 0.28);
  pen.shape(picture.shapes[index], 10, top + 11, 0.6);
  const bold = { colour: pen.colours.ink, weight: 600 };
  pen.text(technique.label, 20, top + 11, { ...bold, size: 12 });
  const median = duration(delays.figures.median);
  if (picture.selected) {
    // The line of the selected event passes here too.
    const width = pen.textWidth(median, 13) + 4;
    pen.context.fillStyle = pen.colours.ground;
    pen.rect(picture.width - 4 - width, top + 3, width + 4, 16);
  }
  pen.text(median, picture.width - 4, top + 11, { ...bold, size: 13, align: "right" });
}

/** Draws requests: hatched while waiting, solid where bytes arrived, hollow where none did. */
function drawBars(picture, track, { top, height }, index) {
  const { pen, columns, at } = picture;
  const { context } = pen;
  context.fillStyle = context.strokeStyle = picture.colours[index];
  context.lineWidth = 1.2;
  let lastRight = -1;
  // A run of bars too narrow to be distinguished is one mark: its left edge, and whether it is empty.
  let run = null;
  const flush = () => {
    if (!run) return;
    pen.rect(run.left, top, Math.max(1, lastRight - run.left), height, run.isEmpty ? 0.4 : 1);
    run = null;
  };
  const { from } = picture;
  for (const exchange of track.exchanges) {
    if (exchange.end < from) continue;
    if (exchange.start > at) break;
    const isOver = exchange.end <= at;
    const right = Math.min(columns, picture.column(isOver ? exchange.end : at));
    if (right < 0 || (isOver && right <= lastRight)) continue;
    const start = Math.max(-4, picture.column(exchange.start));
    const left = Math.max(lastRight + 1, Math.min(start, right - MIN_BAR_WIDTH));
    const width = right - left;
    const isEmpty = isOver && exchange.answered && !exchange.count;
    if (width >= 4 || run?.isEmpty !== isEmpty) flush();
    if (width < 4) {
      run ??= { left, isEmpty };
    } else if (isEmpty) {
      pen.outline(left, top, width, height, 1);
    } else {
      context.fillStyle = picture.hatches[index];
      pen.rect(left, top, width, height);
      context.fillStyle = picture.colours[index];
      pen.outline(left, top, width, height, 0.55);
      if (!track.isStream && !Number.isNaN(exchange.head) && exchange.head <= at && exchange.count) {
        const head = Math.max(left, Math.min(picture.column(exchange.head), right - MIN_BAR_WIDTH));
        pen.rect(head, top, right - head, height);
      }
    }
    lastRight = right;
  }
  flush();
}
