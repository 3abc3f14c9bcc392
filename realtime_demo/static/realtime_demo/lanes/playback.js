/** Time on the lanes: it moves, or it is frozen; then an event can be picked. */
import { now } from "../lib/clock.js";

const STEP = 1_000; // milliseconds between two frames, if motion is to be reduced

export class Playback {
  /** @type {number | null} */
  #frozenAt = null;
  #drawnAt = -Infinity;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {import("./lanes.js").Lanes} lanes
   * @param {HTMLElement} board
   * @param {HTMLButtonElement | null} button
   * @param {(occurrence: import("./timeline.js").Occurrence | null) => void} picked
   */
  constructor(lanes, board, button, picked) {
    this.lanes = lanes;
    this.board = board;
    this.button = button;
    this.picked = picked;
    button?.addEventListener("click", () => this.freeze());
    lanes.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const occurrence = lanes.pick(offsetX, offsetY);
      if (!occurrence && this.#frozenAt !== null) return this.select(null);
      this.freeze(true);
      if (occurrence) this.select(occurrence);
    });
  }

  /** Draws the lanes from now on, in each frame that needs it. */
  run() {
    const { lanes } = this;
    const at = now();
    const mayMove = this.#frozenAt === null && (!this.#calm.matches || at - this.#drawnAt >= STEP);
    if (mayMove ? lanes.isDue(at) : lanes.isStale) {
      lanes.draw(this.#frozenAt ?? at);
      this.#drawnAt = at;
    }
    requestAnimationFrame(this.#run);
  }

  #run = () => this.run();

  freeze(isFrozen = this.#frozenAt === null) {
    this.#frozenAt = isFrozen ? (this.#frozenAt ?? now()) : null;
    this.board.classList.toggle("is-frozen", isFrozen);
    this.button?.setAttribute("aria-pressed", `${isFrozen}`);
    if (!isFrozen) this.select(null);
    this.lanes.isStale = true;
  }

  select(occurrence) {
    this.lanes.selected = occurrence;
    this.lanes.isStale = true;
    this.picked(occurrence);
  }

  /** The next event to either side; the newest where none is picked. @param {number} step */
  move(step) {
    if (this.#frozenAt === null) {
      this.freeze(true);
      this.lanes.draw(this.#frozenAt);
    }
    const { visible, selected } = this.lanes;
    const place = selected ? visible.indexOf(selected) + step : visible.length - 1;
    if (visible[place]) this.select(visible[place]);
  }
}
