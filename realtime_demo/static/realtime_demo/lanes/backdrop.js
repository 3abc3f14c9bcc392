/** The static part of the lanes' picture: the edges of the lanes and the axis. */
import { format, gettext } from "../lib/text.js";
import { Pen } from "./pen.js";

const AXIS_STEPS = { 10: 2, 30: 5, 60: 10 }; // seconds between two lines of the axis

export class Backdrop {
  #pen = new Pen(document.createElement("canvas").getContext("2d", { alpha: false }));
  /** Size, colours and window of the drawn picture. */
  #key = "";

  /** @param {import("./lanes.js").Lanes} lanes */
  constructor(lanes) {
    this.lanes = lanes;
  }

  /** The picture, redrawn if size, colours or window have changed. */
  get picture() {
    const { width, height, ratio, window, positions, axis, pen } = this.lanes;
    const key = JSON.stringify([width, height, ratio, window, positions, axis, pen.colours]);
    if (key !== this.#key) this.#draw();
    this.#key = key;
    return this.#pen.context.canvas;
  }

  #draw() {
    const pen = this.#pen;
    const { context } = pen;
    const { canvas, width, ratio, columns, window, positions, axis } = this.lanes;
    Object.assign(context.canvas, { width: canvas.width, height: canvas.height });
    pen.colours = this.lanes.pen.colours;
    context.fillStyle = pen.colours.ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(ratio, ratio);
    context.fillStyle = pen.colours.line;
    for (const { top } of positions) pen.rect(0, Math.round(top), width, 1);
    pen.rect(0, Math.round(axis), width, 1);
    const step = AXIS_STEPS[window] * (columns < 560 ? 2 : 1);
    for (let seconds = 0; seconds <= window; seconds += step) {
      const x = Math.round(columns - (seconds * columns) / window);
      context.fillStyle = pen.colours.line;
      pen.rect(x, 0, 1, axis, seconds ? 0.6 : 1);
      const label = seconds ? format(gettext("{seconds}\u00a0s ago"), { seconds }) : gettext("now");
      const align = seconds === window ? "left" : seconds ? "center" : "right";
      pen.text(label, seconds ? x : width - 2, axis + 11, { align });
    }
  }
}
