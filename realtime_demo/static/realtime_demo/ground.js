/** What stays where it is while time moves over it: the lanes' edges, the axis and its words. */
import { Pen } from "./pen.js";
import { say } from "./strings.js";

const STEPS = { 10: 2, 30: 5, 60: 10 }; // seconds between two lines of the axis

export class Ground {
  #pen = new Pen(document.createElement("canvas").getContext("2d", { alpha: false }));
  /** What the picture was drawn for. */
  #of = "";

  /** @param {import("./lanes.js").Lanes} lanes */
  constructor(lanes) {
    this.lanes = lanes;
  }

  /** As large as the lanes' own, drawn anew where size, colours or window have changed. */
  get picture() {
    const { width, height, ratio, window, places, axis, pen } = this.lanes;
    const of = JSON.stringify([width, height, ratio, window, places, axis, pen.colours]);
    if (of !== this.#of) this.#draw();
    this.#of = of;
    return this.#pen.context.canvas;
  }

  #draw() {
    const pen = this.#pen;
    const { context } = pen;
    const { canvas, width, ratio, columns, window, places, axis } = this.lanes;
    Object.assign(context.canvas, { width: canvas.width, height: canvas.height });
    pen.colours = this.lanes.pen.colours;
    context.fillStyle = pen.colours.ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(ratio, ratio);
    context.fillStyle = pen.colours.line;
    for (const { top } of places) pen.rect(0, Math.round(top), width, 1);
    pen.rect(0, Math.round(axis), width, 1);
    const step = STEPS[window] * (columns < 560 ? 2 : 1);
    for (let seconds = 0; seconds <= window; seconds += step) {
      const x = Math.round(columns - (seconds * columns) / window);
      context.fillStyle = pen.colours.line;
      context.globalAlpha = seconds ? 0.6 : 1;
      pen.rect(x, 0, 1, axis);
      context.globalAlpha = 1;
      const words = seconds ? say("ago", { seconds }) : say("now");
      const align = seconds === window ? "left" : seconds ? "center" : "right";
      pen.text(words, seconds ? x : width - 2, axis + 11, { align });
    }
  }
}
