/** Announcements for screen readers. */
import { sentence } from "../lib/event-text.js";
import { duration, format, gettext, ngettext } from "../lib/text.js";

export class Announcer {
  #lastCount = 0;

  /**
   * @param {HTMLElement | null} status
   * @param {HTMLElement} canvas labelled with the latest summary
   * @param {import("../sources/receiver.js").Receiver[]} receivers
   */
  constructor(status, canvas, receivers) {
    this.status = status;
    this.canvas = canvas;
    this.receivers = receivers;
  }

  /** @param {string} text */
  announce(text) {
    if (this.status) this.status.textContent = text;
  }

  /** Announces the medians, if there are new events. */
  summarise() {
    const count = Math.max(...this.receivers.map(({ deliveries }) => deliveries.received));
    if (count === this.#lastCount) return;
    this.#lastCount = count;
    const medians = this.receivers
      .filter(({ delays }) => delays.count)
      .map(({ technique, delays }) => delayText(technique, delays.figures.median));
    if (!medians.length) return;
    const template = ngettext(
      "{count} event so far. Median delay: {medians}.",
      "{count} events so far. Median delay: {medians}.",
      count,
    );
    const text = format(template, { count, medians: medians.join(", ") });
    this.announce(text);
    this.canvas.setAttribute("aria-label", text);
  }

  /** Announces the selected event. @param {import("../lanes/timeline.js").Occurrence} occurrence */
  describe({ event, arrivals, published }) {
    const delays = this.receivers.map(({ technique }, index) =>
      delayText(technique, arrivals[index] > 0 ? arrivals[index] - published : NaN),
    );
    this.announce(
      format(gettext("{event} {delays}"), { event: sentence(event), delays: delays.join(", ") }),
    );
  }
}

const delayText = ({ label }, delay) =>
  format(gettext("{technique} {delay}"), { technique: label, delay: duration(delay) });
