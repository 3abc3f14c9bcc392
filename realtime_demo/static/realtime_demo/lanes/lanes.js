/**
 * The lanes on their canvas. A frame draws at most a few marks for each column of pixels, however
 * fast the feed: everything in one column is drawn once. Time moves by whole columns, so that the
 * distances between marks stay the same; the picture is redrawn when it has moved by one column.
 */
import { relativeMedians } from "../lib/statistics.js";
import { duration, gettext } from "../lib/text.js";
import { Backdrop } from "./backdrop.js";
import { toColumns } from "./columns.js";
import { drawLabel, drawLane } from "./lane.js";
import { marker } from "./marker.js";
import { placeNotes } from "./notes.js";
import { Pen } from "./pen.js";

const GUTTER = 14; // pixels to the right of now
const HATCH = 7; // pixels between two lines
const NOTE_TOP = 7; // pixels from the top to the middle of the first row of notes
const NOTE_ROW = 12; // pixels: Korean is higher than Latin
const CLICK_RADIUS = 18; // pixels around a tick

/**
 * @typedef {object} Row
 * @property {import("../sources/recipient.js").Recipient} receiver
 * @property {HTMLElement} element the lane's card; it has the lane's position, unless the lanes are stacked
 *
 * @typedef {{ top: number, height: number }} Position
 */

export class Lanes {
  /** Seconds from the left edge to now. */
  window = 30;
  /** @type {import("./timeline.js").Occurrence | null} */
  selected = null;
  /** Number of the column at the left edge, since the epoch. */
  #base = NaN;
  #scale = 1;
  /** Number of columns of pixels from the left edge to now. */
  columns = 1;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./timeline.js").Timeline} timeline
   * @param {Row[]} rows
   */
  constructor(canvas, timeline, rows) {
    this.canvas = canvas;
    this.pen = new Pen(canvas.getContext("2d", { alpha: false })); // opaque is cheaper to composite
    this.backdrop = new Backdrop(this);
    this.timeline = timeline;
    this.rows = rows;
    this.shapes = rows.map(({ receiver }) => new Path2D(marker(receiver.technique.name)));
    const measure = () => this.measure();
    new ResizeObserver(measure).observe(canvas.parentElement);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", measure);
    }
    this.measure();
  }

  /** Reads size, colours and the lanes' positions from the style sheet. */
  measure() {
    const { canvas } = this;
    const { clientWidth: width, clientHeight: height } = canvas.parentElement;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    this.width = width;
    this.height = height;
    this.ratio = ratio;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.pen.colours = {
      ink: colour("--ink"),
      muted: colour("--muted"),
      line: colour("--line"),
      ground: getComputedStyle(canvas.parentElement).backgroundColor,
      bad: colour("--bad"),
      note: colour("--accent"),
    };
    this.isStacked = colour("--stacked") === "1";
    this.columns = Math.max(1, Math.floor(width - GUTTER));
    this.colours = this.rows.map(({ element }) => getComputedStyle(element).getPropertyValue("--colour").trim());
    this.hatches = this.colours.map((each) => this.#hatch(each));
    this.#layOut();
    this.isStale = true;
  }

  #layOut() {
    const { height, rows } = this;
    if (this.isStacked) {
      const publishedHeight = 40;
      const laneHeight = (height - publishedHeight - 20) / rows.length;
      this.published = { top: 0, height: publishedHeight };
      this.positions = rows.map((_, index) => ({ top: publishedHeight + index * laneHeight, height: laneHeight }));
      this.axis = height - 20;
      return;
    }
    const top = this.canvas.getBoundingClientRect().top;
    this.positions = rows.map(({ element }) => {
      const box = element.getBoundingClientRect();
      return { top: box.top - top, height: box.height };
    });
    const last = this.positions.at(-1);
    this.published = { top: 0, height: this.positions[0]?.top ?? 40 };
    this.axis = last ? last.top + last.height : height - 20;
  }

  #hatch(colour) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = HATCH * this.ratio;
    const context = tile.getContext("2d");
    context.scale(this.ratio, this.ratio);
    context.strokeStyle = colour;
    context.globalAlpha = 0.62;
    context.lineWidth = 1.3;
    for (const x of [-HATCH, 0, HATCH]) {
      context.moveTo(x - 1, HATCH + 1);
      context.lineTo(x + HATCH + 1, -1);
    }
    context.stroke();
    return this.pen.context.createPattern(tile, "repeat");
  }

  // --- One frame -----------------------------------------------------------------------------

  /** @param {number} at the time at the right edge */
  draw(at) {
    const { ratio } = this;
    const { context } = this.pen;
    this.at = at;
    this.pen.markCount = 0;
    this.isStale = false;
    this.#scale = this.columns / (this.window * 1000);
    this.#base = this.#leftColumn(at);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.backdrop.picture, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const move = new DOMMatrix().translate(-(this.#base % HATCH), 0).scale(1 / ratio);
    for (const hatch of this.hatches) hatch.setTransform(move);
    this.#drawHidden();
    const { published, lanes } = toColumns(
      this.timeline,
      this.rows,
      this.columns,
      (time) => this.column(time),
      this.from,
    );
    this.laneColumns = lanes;
    this.relativeMedians = this.isStacked ? relativeMedians(this.rows.map(({ receiver }) => receiver.delays)) : [];
    this.#drawPublished(published);
    this.rows.forEach((_, index) => drawLane(this, index));
    this.#drawNotes();
    if (this.selected) this.#drawSelected(this.selected);
    if (this.isStacked) this.rows.forEach((_, index) => drawLabel(this, index));
  }

  /** Whether the picture at that time differs from the one drawn. @param {number} at */
  isDue(at) {
    return this.isStale || this.#leftColumn(at) !== this.#base;
  }

  #leftColumn(at) {
    return Math.floor((at * this.columns) / (this.window * 1000)) - this.columns;
  }

  /** The x coordinate of a time. @param {number} time */
  column(time) {
    return Math.floor(time * this.#scale) - this.#base;
  }

  /** A time just before the column at the left edge. */
  get from() {
    return this.#base / this.#scale - 1;
  }

  #drawHidden() {
    const { pen, columns } = this;
    pen.context.fillStyle = pen.colours.muted;
    for (const [from, to] of this.timeline.hidden) {
      const left = Math.max(0, this.column(from));
      const right = Math.min(columns, this.column(Math.min(to, this.at)));
      if (right > left) pen.rect(left, 0, right - left, this.axis, 0.16);
    }
  }

  #drawPublished(columns) {
    const { pen } = this;
    const { context } = pen;
    const { top, height } = this.published;
    const colours = { 1: pen.colours.muted, 2: pen.colours.ink, 3: pen.colours.note };
    const base = top + height - 5;
    for (let column = 0; column < columns.length; column += 1) {
      const kind = columns[column];
      if (!kind) continue;
      context.fillStyle = colours[kind];
      const length = kind === 3 ? height * 0.62 : kind === 2 ? height * 0.42 : height * 0.25;
      pen.rect(column - 0.75, base - length, 1.5, length);
      if (kind === 3) pen.rect(column - 3, base - length - 3, 6, 6);
    }
    if (this.isStacked) pen.text(gettext("Published"), 4, top + NOTE_TOP, { colour: pen.colours.ink, weight: 600 });
  }

  #drawNotes() {
    const { pen } = this;
    const { context } = pen;
    const notes = this.timeline.notes
      .map(({ at, text }) => ({ at, text, x: this.column(at) }))
      .filter(({ at, x }) => x >= 0 && at <= this.at);
    const title = this.isStacked ? pen.textWidth(gettext("Published"), 11) + 10 : 0;
    const widthOf = (text) => pen.textWidth(text, 11);
    const placed = placeNotes(notes, { starts: [title, 0], width: this.width, widthOf });
    context.setLineDash([3, 4]);
    for (const { x } of placed) {
      pen.stroke(pen.colours.note, 1, (path) => {
        path.moveTo(x + 0.5, 2);
        path.lineTo(x + 0.5, this.axis);
      });
    }
    context.setLineDash([]);
    for (const { text, left, right, row } of placed) {
      const y = this.published.top + NOTE_TOP + row * NOTE_ROW;
      context.fillStyle = pen.colours.ground; // no line crosses it
      pen.rect(left - 1, y - 6, right - left + 2, NOTE_ROW);
      pen.text(text, left, y, { colour: pen.colours.note, weight: 600 });
    }
  }

  // --- Selecting -----------------------------------------------------------------------------

  /** The column of an event in each lane, from the top; null if it did not arrive. */
  #path({ published, arrivals }) {
    const { top, height } = this.published;
    return [
      { x: this.column(published), y: top + height - 5, delay: null },
      ...this.positions.map((position, index) => {
        const arrival = arrivals[index];
        const hasArrived = arrival > 0 && arrival <= this.at;
        return {
          x: hasArrived ? this.column(arrival) : null,
          y: position.top + position.height - 7,
          delay: arrival - published,
        };
      }),
    ];
  }

  #drawSelected(occurrence) {
    const { pen } = this;
    const { context } = pen;
    const points = this.#path(occurrence);
    const line = (path) => {
      for (const { x, y } of points) if (x !== null) path.lineTo(x, y);
    };
    pen.stroke(pen.colours.ground, 6, line);
    pen.stroke(pen.colours.ink, 2, line);
    points.forEach(({ x, y, delay }, index) => {
      const at = x ?? points[0].x;
      context.fillStyle = index ? this.colours[index - 1] : pen.colours.ink;
      pen.stroke(pen.colours.ink, 2, (path) => path.arc(at, y, 6, 0, 2 * Math.PI));
      if (x !== null) context.fill();
      if (!index) return;
      const label = x === null ? gettext("not arrived yet") : duration(delay);
      const width = pen.textWidth(label, 12) + 12;
      const left = at + 12 + width > this.width ? at - 12 - width : at + 12;
      context.fillStyle = pen.colours.ink;
      context.beginPath();
      context.roundRect(left, y - 16, width, 19, 5);
      context.fill();
      pen.text(label, left + 6, y - 6, { colour: pen.colours.ground, weight: 600, size: 12 });
    });
  }

  /** The event drawn nearest to a point of the canvas, within `CLICK_RADIUS`. */
  pick(x, y) {
    const lane = this.positions.findIndex(({ top, height }) => y >= top && y < top + height);
    let best = null;
    let nearest = CLICK_RADIUS;
    for (const occurrence of this.visible) {
      const time = lane < 0 ? occurrence.published : occurrence.arrivals[lane];
      const distance = Math.abs(this.column(time) - x);
      if (distance < nearest) [best, nearest] = [occurrence, distance];
    }
    return best;
  }

  /** The events published in the time shown. */
  get visible() {
    const from = this.at - this.window * 1000;
    return this.timeline.occurrences.filter(
      ({ published, event }) => published >= from && published <= this.at && event.type !== "reset",
    );
  }
}
