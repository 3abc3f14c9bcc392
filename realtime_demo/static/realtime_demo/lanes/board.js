/** The board: the techniques' cards, the lanes beside them, and the controls of the view. */
import { now } from "../lib/clock.js";
import { find, findAll } from "../lib/dom.js";
import { relativeMedians } from "../lib/statistics.js";
import { Card } from "../panels/card.js";
import { Lanes } from "./lanes.js";

const REDUCED_MOTION_INTERVAL = 1_000; // milliseconds between two frames

export class Board {
  /** @type {number | null} */
  #frozenAt = null;
  #drawnAt = -Infinity;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {HTMLElement} element with a card for each receiver
   * @param {import("./timeline.js").Timeline} timeline
   * @param {import("../sources/recipient.js").Recipient[]} receivers in the order of the tracks
   * @param {(occurrence: import("./timeline.js").Occurrence | null) => void} onSelect
   * @param {() => number} [time] to show in a frame, unless frozen
   */
  constructor(element, timeline, receivers, onSelect, time = now) {
    this.element = element;
    this.timeline = timeline;
    this.receivers = receivers;
    this.onSelect = onSelect;
    this.time = time;
    const rows = receivers.map((receiver, index) => {
      const row = find(element, `.lane[data-technique="${receiver.technique.name}"]`);
      row.style.setProperty("--row", `${index + 2}`);
      return { receiver, element: row };
    });
    element.style.setProperty("--lanes", `${rows.length}`);
    this.cards = rows.map((row) => new Card(row.element, /** @type {any} */ (row.receiver)));
    const lanes = (this.lanes = new Lanes(find(element, "canvas"), timeline, rows));
    this.windowInputs = findAll(element, "[name=window]");
    this.freezeButton = find(element, "#freeze");
    this.freezeButton.addEventListener("click", () => this.freeze());
    lanes.canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const occurrence = lanes.pick(offsetX, offsetY);
      if (!occurrence && this.isFrozen) return this.select(null);
      this.freeze(true);
      if (occurrence) this.select(occurrence);
    });
  }

  /** Shows this many seconds. @param {number} seconds */
  set window(seconds) {
    Object.assign(this.lanes, { window: seconds, isStale: true });
    for (const input of this.windowInputs) input.checked = Number(input.value) === seconds;
  }

  /** Draws the figures of a card. @param {number} index @param {Parameters<Card["draw"]>[2]} [tapCounts] */
  drawCard(index, tapCounts) {
    const medians = relativeMedians(this.receivers.map(({ delays }) => delays));
    this.cards[index].draw(medians[index], this.timeline.latest, tapCounts);
  }

  /** Draws the lanes from now on, in every frame in which the picture differs. */
  run() {
    const { lanes } = this;
    if (!this.element.isConnected) return; // replaced by another recording
    const at = this.time();
    const mayMove = !this.isFrozen && (!this.#reducedMotion.matches || at - this.#drawnAt >= REDUCED_MOTION_INTERVAL);
    if (mayMove ? lanes.isDue(at) : lanes.isStale) {
      lanes.draw(this.#frozenAt ?? at);
      this.#drawnAt = at;
    }
    requestAnimationFrame(this.#run);
  }

  #run = () => this.run();

  // --- Selecting an event ----------------------------------------------------------------------

  get isFrozen() {
    return this.#frozenAt !== null;
  }

  freeze(isFrozen = !this.isFrozen) {
    this.#frozenAt = isFrozen ? (this.#frozenAt ?? this.time()) : null;
    this.element.classList.toggle("is-frozen", isFrozen);
    this.freezeButton.setAttribute("aria-pressed", `${isFrozen}`);
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
    if (!this.isFrozen) this.freeze(true);
    if (this.lanes.isStale) this.lanes.draw(this.#frozenAt); // the picture has the visible events
    const { visible, selected } = this.lanes;
    const index = selected ? visible.indexOf(selected) + step : visible.length - 1;
    if (visible[index]) this.select(visible[index]);
  }

  /** Keys that freeze, and select an event and its technique. @param {import("../panels/inspector.js").Inspector | null} inspector */
  keys(inspector) {
    return {
      " ": () => this.freeze(),
      Escape: () => (this.lanes.selected ? this.select(null) : this.freeze(false)),
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      ArrowUp: () => inspector?.move(-1),
      ArrowDown: () => inspector?.move(1),
    };
  }
}
