/**
 * The lanes on their canvas. However fast the feed, a frame draws no more than a few marks for
 * each column of pixels: what falls into one column is drawn once. Time moves by whole columns,
 * so that marks keep their distances.
 */
import { marker } from "./markers.js";
import { duration, say } from "./strings.js";
import { VOID } from "./timeline.js";

const GUTTER = 14; // to the right of now
const NARROWEST = 5; // a bar, where there is room
const HATCH = 7;
const REACH = 18; // pixels from a tick at which a click still means it
const FEW = 160; // ticks that get their technique's shape
const STEPS = { 10: 2, 30: 5, 60: 10 }; // seconds between two lines of the axis
const PILED = 0.4; // how much of what is left of the height one more event on its way takes
const FONT = "system-ui, 'Apple SD Gothic Neo', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif";

/**
 * @typedef {object} Row
 * @property {import("./receiver.js").Receiver} receiver
 * @property {HTMLElement} element the lane's card; its place is the lane's, where they lie side by side
 *
 * @typedef {{ top: number, height: number }} Place
 */

export class Lanes {
  /** Seconds from the left edge to now. */
  window = 30;
  /** @type {import("./timeline.js").Occurrence | null} */
  selected = null;
  /** What the last frame drew. */
  marks = 0;
  #base = 0;
  #scale = 1;
  #columns = 1;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./timeline.js").Timeline} timeline
   * @param {Row[]} rows
   */
  constructor(canvas, timeline, rows) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
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

  /** Size, colours and the lanes' places, from the style sheet. */
  measure() {
    const { canvas } = this;
    const { clientWidth: width, clientHeight: height } = canvas.parentElement;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    Object.assign(this, { width, height, ratio });
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.ink = colour("--ink");
    this.muted = colour("--muted");
    this.line = colour("--line");
    this.ground = colour("--ground");
    this.bad = colour("--bad");
    this.note = colour("--accent");
    this.isStacked = colour("--stacked") === "1";
    this.#columns = Math.max(1, Math.floor(width - GUTTER));
    this.colours = this.rows.map(({ element }) => getComputedStyle(element).getPropertyValue("--colour").trim());
    this.hatches = this.colours.map((each) => this.#hatch(each));
    this.#place();
    this.isStale = true;
  }

  #place() {
    const { height, rows } = this;
    if (this.isStacked) {
      const published = 40;
      const each = (height - published - 20) / rows.length;
      this.published = { top: 0, height: published };
      this.places = rows.map((_, index) => ({ top: published + index * each, height: each }));
      this.axis = height - 20;
      return;
    }
    const top = this.canvas.getBoundingClientRect().top;
    this.places = rows.map(({ element }) => {
      const box = element.getBoundingClientRect();
      return { top: box.top - top, height: box.height };
    });
    const last = this.places.at(-1);
    this.published = { top: 0, height: this.places[0]?.top ?? 40 };
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
    return this.context.createPattern(tile, "repeat");
  }

  // --- One frame -----------------------------------------------------------------------------

  /** @param {number} at the time at the right edge */
  draw(at) {
    const { context, ratio } = this;
    this.at = at;
    this.marks = 0;
    this.#scale = this.#columns / (this.window * 1000);
    this.#base = Math.floor(at * this.#scale) - this.#columns;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const move = new DOMMatrix().translate(-(this.#base % HATCH), 0).scale(1 / ratio);
    for (const hatch of this.hatches) hatch.setTransform(move);
    this.#drawGround();
    const published = this.#fold();
    this.#drawPublished(published);
    this.rows.forEach((_, index) => this.#drawLane(index));
    this.#drawNotes();
    if (this.selected) this.#drawSelected(this.selected);
  }

  #column(time) {
    return Math.floor(time * this.#scale) - this.#base;
  }

  #rect(x, y, width, height) {
    this.context.fillRect(x, y, width, height);
    this.marks += 1;
  }

  #text(text, x, y, { align = "left", colour = this.muted, size = 11, weight = 400 } = {}) {
    const { context } = this;
    context.font = `${weight} ${size}px ${FONT}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(text, x, y);
    this.marks += 1;
  }

  #drawGround() {
    const { context } = this;
    const columns = this.#columns;
    context.fillStyle = this.muted;
    context.globalAlpha = 0.16;
    for (const [from, to] of this.timeline.hidden) {
      const left = Math.max(0, this.#column(from));
      const right = Math.min(columns, this.#column(Math.min(to, this.at)));
      if (right > left) this.#rect(left, 0, right - left, this.axis);
    }
    context.globalAlpha = 1;
    context.fillStyle = this.line;
    for (const { top } of this.places) this.#rect(0, Math.round(top), this.width, 1);
    this.#rect(0, Math.round(this.axis), this.width, 1);
    const step = STEPS[this.window] * (columns < 560 ? 2 : 1);
    for (let seconds = 0; seconds <= this.window; seconds += step) {
      const x = Math.round(columns - seconds * 1000 * this.#scale);
      context.fillStyle = this.line;
      context.globalAlpha = seconds ? 0.6 : 1;
      this.#rect(x, 0, 1, this.axis);
      context.globalAlpha = 1;
      const words = seconds ? say("ago", { seconds }) : say("now");
      const align = seconds === this.window ? "left" : seconds ? "center" : "right";
      this.#text(words, seconds ? x : this.width - 2, this.axis + 11, { align });
    }
  }

  /** Sorts every event into columns: one pass, whatever the number of lanes. */
  #fold() {
    const columns = this.#columns;
    const { tracks, occurrences } = this.timeline;
    const published = new Uint8Array(columns + 1);
    this.folded = this.rows.map(() => ({
      ticks: new Uint8Array(columns + 1), // 1: news; 2: from before; 3: never came
      piles: new Int32Array(columns + 2),
      rings: [],
    }));
    for (const occurrence of occurrences) {
      const column = this.#column(occurrence.published);
      if (column > columns) break;
      if (column >= 0) {
        const { type } = occurrence.event;
        const kind = type === "announcement" ? 3 : type === "join" || type === "leave" ? 1 : 2;
        if (kind > published[column]) published[column] = kind;
      }
      for (let index = 0; index < this.rows.length; index += 1) {
        const track = tracks[index];
        const arrival = occurrence.arrivals[index];
        const { ticks, piles, rings } = this.folded[index];
        const isLive = occurrence.live & track.bit;
        let end = columns;
        if (arrival > 0) {
          end = this.#column(arrival);
          if (end >= 0 && end <= columns) ticks[end] ||= isLive ? 1 : 2;
          if (!isLive) continue;
        } else if (arrival === VOID || this.rows[index].receiver.ledger.misses(occurrence)) {
          if (column >= 0 && rings.at(-1) !== column) rings.push(column);
          continue;
        } else if (!track.isRunning || occurrence.published < track.since) {
          continue;
        }
        const from = Math.max(0, column);
        if (end > from) {
          piles[from] += 1;
          piles[Math.min(end, columns + 1)] -= 1;
        }
      }
    }
    return published;
  }

  #drawPublished(columns) {
    const { context } = this;
    const { top, height } = this.published;
    const colours = [, this.muted, this.ink, this.note];
    const base = top + height - 5;
    for (let column = 0; column < columns.length; column += 1) {
      const kind = columns[column];
      if (!kind) continue;
      context.fillStyle = colours[kind];
      const length = kind === 3 ? height * 0.62 : kind === 2 ? height * 0.42 : height * 0.25;
      this.#rect(column - 0.75, base - length, 1.5, length);
      if (kind === 3) this.#rect(column - 3, base - length - 3, 6, 6);
    }
    if (this.isStacked) this.#text(say("published"), 4, top + 10, { colour: this.ink, weight: 600 });
  }

  #drawLane(index) {
    const { context } = this;
    const { top, height } = this.places[index];
    const track = this.timeline.tracks[index];
    const colour = this.colours[index];
    const label = this.isStacked ? 16 : 0;
    const bars = { top: top + 7 + label, height: Math.max(8, (height - label) * 0.26) };
    const foot = top + height - 7;
    const pile = foot - bars.top - bars.height - 5;
    const { ticks, piles, rings } = this.folded[index];

    this.#drawBars(track, bars, index);

    // News on its way: published, and not here yet.
    let waiting = 0;
    let from = 0;
    const flush = (to) => {
      if (!waiting || to <= from) return;
      const rise = pile * (1 - 1 / (1 + PILED * waiting));
      context.globalAlpha = 0.42;
      this.#rect(from, foot - rise, to - from, rise);
      context.globalAlpha = 1;
      this.#rect(from, foot - rise, to - from, 1.5);
    };
    context.fillStyle = colour;
    for (let column = 0; column <= this.#columns; column += 1) {
      if (!piles[column]) continue;
      flush(column);
      waiting += piles[column];
      from = column;
    }
    flush(this.#columns);

    // Ticks side by side are one mark.
    let count = 0;
    for (let column = 0; column < ticks.length; column += 1) {
      const kind = ticks[column];
      if (!kind) continue;
      const first = column;
      while (ticks[column + 1] === kind) column += 1;
      const wide = column - first;
      count += wide + 1;
      context.globalAlpha = kind === 2 ? 0.3 : 0.8;
      this.#rect(first - 0.7, bars.top + bars.height - 1, wide + 1.4, foot - bars.top - bars.height + 1);
      context.globalAlpha = kind === 2 ? 0.3 : 1;
      if (track.isStream) this.#rect(first - 2, bars.top, wide + 4, bars.height);
    }
    context.globalAlpha = 1;
    if (count <= FEW) {
      for (let column = 0; column < ticks.length; column += 1) {
        if (ticks[column] === 1) this.#shape(index, column, foot, 0.5);
      }
    }

    const middle = bars.top + bars.height / 2;
    for (const column of rings.slice(-200)) this.#ring(column, foot - 5);
    for (const time of track.doubles) this.#diamond(this.#column(time), foot - 5);
    for (const time of track.cuts) this.#cross(this.#column(time), middle, Math.min(8, bars.height / 2));

    if (!this.isStacked) return;
    context.fillStyle = colour;
    this.#shape(index, 10, top + 11, 0.6);
    const { median } = this.rows[index].receiver.delays.figures;
    const { label: name } = this.rows[index].receiver.technique;
    this.#text(name, 20, top + 11, { colour: this.ink, weight: 600, size: 12 });
    this.#text(duration(median), this.width - 4, top + 11, { colour: this.ink, weight: 600, size: 13, align: "right" });
  }

  /** Hatched while waiting, solid where bytes came, hollow where none did. */
  #drawBars(track, { top, height }, index) {
    const { context } = this;
    const columns = this.#columns;
    context.fillStyle = context.strokeStyle = this.colours[index];
    context.lineWidth = 1.2;
    let edge = -1;
    // Bars too narrow to be told apart, as one mark: from where, and whether they are empty ones.
    let run = null;
    const flush = () => {
      if (!run) return;
      context.globalAlpha = run.isEmpty ? 0.4 : 1;
      this.#rect(run.left, top, Math.max(1, edge - run.left), height);
      context.globalAlpha = 1;
      run = null;
    };
    for (const exchange of track.exchanges) {
      if (exchange.start > this.at) break;
      const isOver = exchange.end <= this.at;
      const right = Math.min(columns, this.#column(isOver ? exchange.end : this.at));
      if (right < 0 || (isOver && right <= edge)) continue;
      const start = Math.max(-4, this.#column(exchange.start));
      const left = Math.max(edge + 1, Math.min(start, right - NARROWEST));
      const width = right - left;
      const isEmpty = isOver && exchange.answered && !exchange.count;
      if (width >= 4 || run?.isEmpty !== isEmpty) flush();
      if (width < 4) {
        run ??= { left, isEmpty };
      } else if (isEmpty) {
        this.#outline(left, top, width, height, 1);
      } else {
        context.fillStyle = this.hatches[index];
        this.#rect(left, top, width, height);
        context.fillStyle = this.colours[index];
        this.#outline(left, top, width, height, 0.55);
        if (!track.isStream && !Number.isNaN(exchange.head) && exchange.head <= this.at && exchange.count) {
          const head = Math.max(left, Math.min(this.#column(exchange.head), right - NARROWEST));
          this.#rect(head, top, right - head, height);
        }
      }
      edge = right;
    }
    flush();
  }

  #outline(x, y, width, height, alpha) {
    this.context.globalAlpha = alpha;
    this.context.strokeRect(x + 0.6, y + 0.6, width - 1.2, height - 1.2);
    this.context.globalAlpha = 1;
    this.marks += 1;
  }

  #shape(index, x, y, size) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.scale(size, size);
    context.fill(this.shapes[index]);
    context.restore();
    this.marks += 1;
  }

  #stroke(colour, width, draw) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    draw(context);
    context.stroke();
    this.marks += 1;
  }

  #cross(x, y, size) {
    if (x < 0) return;
    const lines = (context) => {
      context.moveTo(x - size, y - size);
      context.lineTo(x + size, y + size);
      context.moveTo(x + size, y - size);
      context.lineTo(x - size, y + size);
    };
    this.#stroke(this.ground, 6, lines);
    this.#stroke(this.bad, 3, lines);
  }

  #diamond(x, y) {
    if (x < 0) return;
    this.#stroke(this.ink, 2, (context) => {
      context.moveTo(x, y - 6);
      context.lineTo(x + 6, y);
      context.lineTo(x, y + 6);
      context.lineTo(x - 6, y);
      context.closePath();
    });
  }

  #ring(x, y) {
    this.#stroke(this.bad, 2.2, (context) => context.arc(x, y, 5, 0, 2 * Math.PI));
  }

  #drawNotes() {
    const { context } = this;
    let edge = -Infinity;
    for (const { at, text } of this.timeline.notes) {
      const x = this.#column(at);
      if (x < 0 || at > this.at) continue;
      context.setLineDash([3, 4]);
      this.#stroke(this.note, 1, (line) => {
        line.moveTo(x + 0.5, 2);
        line.lineTo(x + 0.5, this.axis);
      });
      context.setLineDash([]);
      context.font = `600 11px ${FONT}`;
      const width = context.measureText(text).width;
      const left = x + 5 + width > this.width ? x - 5 - width : x + 5;
      if (left < edge) continue;
      this.#text(text, left, this.published.top + 9, { colour: this.note, weight: 600 });
      edge = left + width + 8;
    }
  }

  // --- Picking -------------------------------------------------------------------------------

  /** Where an event is in each lane, top down: the column, or null where it did not come. */
  #path({ published, arrivals }) {
    const { top, height } = this.published;
    return [
      { x: this.#column(published), y: top + height - 5, delay: null },
      ...this.places.map((place, index) => {
        const arrival = arrivals[index];
        const hasCome = arrival > 0 && arrival <= this.at;
        return {
          x: hasCome ? this.#column(arrival) : null,
          y: place.top + place.height - 7,
          delay: arrival - published,
        };
      }),
    ];
  }

  #drawSelected(occurrence) {
    const { context } = this;
    const points = this.#path(occurrence);
    const line = (drawn) => {
      for (const { x, y } of points) if (x !== null) drawn.lineTo(x, y);
    };
    this.#stroke(this.ground, 6, line);
    this.#stroke(this.ink, 2, line);
    points.forEach(({ x, y, delay }, index) => {
      const at = x ?? points[0].x;
      context.fillStyle = index ? this.colours[index - 1] : this.ink;
      this.#stroke(this.ink, 2, (drawn) => drawn.arc(at, y, 6, 0, 2 * Math.PI));
      if (x !== null) context.fill();
      if (!index) return;
      const words = x === null ? say("notHere") : duration(delay);
      context.font = `600 12px ${FONT}`;
      const width = context.measureText(words).width + 12;
      const left = at + 12 + width > this.width ? at - 12 - width : at + 12;
      context.fillStyle = this.ink;
      context.beginPath();
      context.roundRect(left, y - 16, width, 19, 5);
      context.fill();
      this.#text(words, left + 6, y - 6, { colour: this.ground, weight: 600, size: 12 });
    });
  }

  /** The event drawn at a place of the canvas, if any is near. */
  pick(x, y) {
    const lane = this.places.findIndex(({ top, height }) => y >= top && y < top + height);
    let best = null;
    let nearest = REACH;
    for (const occurrence of this.visible) {
      const time = lane < 0 ? occurrence.published : occurrence.arrivals[lane];
      const distance = Math.abs(this.#column(time) - x);
      if (distance < nearest) [best, nearest] = [occurrence, distance];
    }
    return best;
  }

  /** The events published in the time that is drawn. */
  get visible() {
    const from = this.at - this.window * 1000;
    return this.timeline.occurrences.filter(
      ({ published, event }) => published >= from && published <= this.at && event.type !== "reset",
    );
  }
}
