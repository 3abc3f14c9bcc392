/** The events that one technique delivers: on the timeline, with their delays, and those missing. */
import { Delays } from "../lib/statistics.js";
import { Deliveries } from "./deliveries.js";

export class Recipient {
  deliveries = new Deliveries();
  delays = new Delays();
  reconnects = 0;

  /**
   * @param {{ name: string, label: string, colour: { dark: string, light: string } }} technique
   * @param {import("../lanes/timeline.js").Timeline} timeline
   * @param {import("../lanes/timeline.js").Track} track
   */
  constructor(technique, timeline, track) {
    /** @type {any} */
    this.technique = technique;
    this.timeline = timeline;
    this.track = track;
  }

  /**
   * Records that an event has arrived. The delay of an event that was published before the lane
   * started, or while the page was hidden, is not the technique's.
   *
   * @param {{ id: string, type: string }} event
   * @param {number} arrived
   * @param {number} published by this browser's clock
   * @param {boolean} isVisible whether the page has been visible since then
   */
  deliver(event, arrived, published, isVisible) {
    const { track, timeline } = this;
    this.deliveries.record(event);
    if (event.type === "reset") timeline.reset(track);
    const isLive = event.type !== "reset" && published >= track.since;
    if (isLive && isVisible) this.delays.add(arrived - published);
    return timeline.arrive(track, event, arrived, published);
  }

  /** Resets delays and counts, except those of missing events. */
  resetFigures() {
    this.delays.clear();
    this.reconnects = 0;
    this.track.resetCounts();
  }
}
