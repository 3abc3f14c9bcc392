/** Times when the page was hidden: browsers throttle a hidden page's timers, which causes delays. */
import { now } from "./clock.js";

export class Visibility {
  #visibleSince = document.hidden ? Infinity : 0;

  /** @param {import("../lanes/timeline.js").Timeline} timeline */
  constructor(timeline) {
    if (document.hidden) timeline.hide(true, now());
    document.addEventListener("visibilitychange", () => {
      timeline.hide(document.hidden, now());
      this.#visibleSince = document.hidden ? Infinity : now();
    });
  }

  /** Whether the page has been visible since then. @param {number} time */
  isVisibleSince(time) {
    return time >= this.#visibleSince;
  }
}
