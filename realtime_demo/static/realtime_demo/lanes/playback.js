/** Time on the lanes: moving, or frozen to select an event. */
import { now } from "../lib/clock.js";

const REDUCED_MOTION_INTERVAL = 1_000; // milliseconds between two frames

export class Playback {
  /** @type {number | null} */
  #frozenAt = null;
  #drawnAt = -Infinity;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {import("./lanes.js").Lanes} lanes
   * @param {HTMLElement} board
   * @param {HTMLButtonElement | null} button
   * @param {(occurrence: import("./timeline.js").Occurrence | null) => void} onSelect
   * @param {() => number} [time] to show in a frame, unless frozen
   */
  constructor(lanes, board, button, onSelect, time = now) {
    this.lanes = lanes;
    this.board = board;
    this.button = button;
    this.onSelect = onSelect;
    this.time = time;
    button?.addEventListener("click", () => this.freeze());
    lanes.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const occurrence = lanes.pick(offsetX, offsetY);
      if (!occurrence && this.#frozenAt !== null) return this.select(null);
      this.freeze(true);
      if (occurrence) this.select(occurrence);
    });
  }

  /** Draws the lanes from now on, in every frame in which the picture differs. */
  run() {
    const { lanes } = this;
    if (!lanes.canvas.isConnected) return; // replaced by another recording
    const at = this.time();
    const mayMove = this.#frozenAt === null && (!this.#reducedMotion.matches || at - this.#drawnAt >= REDUCED_MOTION_INTERVAL);
    if (mayMove ? lanes.isDue(at) : lanes.isStale) {
      lanes.draw(this.#frozenAt ?? at);
      this.#drawnAt = at;
    }
    requestAnimationFrame(this.#run);
  }

  #run = () => this.run();

  get isFrozen() {
    return this.#frozenAt !== null;
  }

  freeze(isFrozen = !this.isFrozen) {
    this.#frozenAt = isFrozen ? (this.#frozenAt ?? this.time()) : null;
    this.board.classList.toggle("is-frozen", isFrozen);
    this.button?.setAttribute("aria-pressed", `${isFrozen}`);
    if (!isFrozen) this.select(null);
    this.lanes.isStale = true;
  }

  select(occurrence) {
    this.lanes.selected = occurrence;
    this.lanes.isStale = true;
    this.onSelect(occurrence);
  }

  /** Selects the event `step` away from the selected one; the newest if none is selected. @param {number} step */
  move(step) {
    if (this.#frozenAt === null) this.freeze(true);
    if (this.lanes.isStale) this.lanes.draw(this.#frozenAt); // the picture has the visible events
    const { visible, selected } = this.lanes;
    const index = selected ? visible.indexOf(selected) + step : visible.length - 1;
    if (visible[index]) this.select(visible[index]);
  }
}
