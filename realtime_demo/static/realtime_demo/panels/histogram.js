/** A small histogram of delays, on the scale from 1 ms to 10 s, with the prediction over it. */
import { makeSvg } from "../lib/dom.js";
import { BINS, position } from "../lib/statistics.js";

const WIDTH = 128;
const HEIGHT = 46;
const MIN_TOP = 0.25; // lower bound of the share that fills the height, so that noise stays low

/** Sets an outline only if it differs: a change costs a layout. */
function setOutline(path, outline) {
  if (path.getAttribute("d") !== outline) path.setAttribute("d", outline);
}

export class Histogram {
  #measured;
  #prediction;
  #median;

  /** @param {SVGSVGElement} svg */
  constructor(svg) {
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT + 11}`);
    this.#measured = makeSvg("path", { class: "measured-bars" });
    this.#prediction = makeSvg("path", { class: "prediction" });
    this.#median = makeSvg("path", { class: "median-line" });
    /** @type {[string, number, string][]} */
    const labels = [["1 ms", 0, "start"], ["10", 0.25, "middle"], ["100", 0.5, "middle"], ["1 s", 0.75, "middle"], ["10 s", 1, "end"]];
    svg.append(
      makeSvg("path", { class: "axis", d: `M0 ${HEIGHT}H${WIDTH}` }),
      this.#measured,
      this.#prediction,
      this.#median,
      ...labels.map(([text, at, anchor]) => makeSvg("text", { x: at * WIDTH, y: HEIGHT + 9.5, "text-anchor": anchor }, text)),
    );
  }

  /**
   * @param {number[]} shares measured
   * @param {number[] | null} predicted
   * @param {number} median milliseconds
   */
  draw(shares, predicted, median) {
    // A prediction with one delay for all events would dwarf the measured shares: cut it off at the top.
    const top = Math.max(MIN_TOP, ...shares);
    const heightOf = (share) => Math.min(1, share / top) * (HEIGHT - 2);
    const binWidth = WIDTH / BINS;
    let bars = "";
    shares.forEach((share, index) => {
      if (share) bars += `M${index * binWidth + 0.4} ${HEIGHT}v${-heightOf(share).toFixed(1)}h${binWidth - 0.8}V${HEIGHT}Z`;
    });
    setOutline(this.#measured, bars);
    let outline = "";
    predicted?.forEach((share, index) => {
      outline += `${index ? "L" : "M"}${index * binWidth} ${HEIGHT - heightOf(share)}H${(index + 1) * binWidth}`;
    });
    setOutline(this.#prediction, outline);
    const at = (position(median) * WIDTH).toFixed(1);
    setOutline(this.#median, Number.isNaN(median) ? "" : `M${at} 0V${HEIGHT}`);
  }
}
