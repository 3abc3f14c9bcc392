/** One event in detail: its delay by each technique, and the bytes that carried it. */
import { NEVER } from "../lanes/timeline.js";
import { find, make } from "../lib/dom.js";
import { sentence } from "../lib/event-text.js";
import { duration, format, gettext } from "../lib/text.js";
import { wireDump } from "./wire-dump.js";

const CLOCK_ERROR = 2; // milliseconds

export class Inspector {
  /** @type {import("../lanes/timeline.js").Occurrence | null} */
  occurrence = null;
  #pending = new AbortController();
  #chosen = 0;

  /**
   * @param {HTMLElement} element
   * @param {import("../sources/recipient.js").Recipient[]} receivers
   * @param {import("../lib/demo-control.js").DemoControl | null} demo
   */
  constructor(element, receivers, demo) {
    this.element = element;
    this.receivers = receivers;
    this.demo = demo;
    const part = (selector) => find(element, selector);
    this.parts = { title: part(".picked"), body: part("tbody"), wire: part(".wire") };
  }

  /** @param {import("../lanes/timeline.js").Occurrence | null} occurrence */
  show(occurrence) {
    this.occurrence = occurrence;
    this.element.hidden = !occurrence;
    if (!occurrence) return this.#pending.abort();
    this.parts.title.textContent = sentence(occurrence.event);
    const rows = this.receivers.map((receiver, index) => this.#row(receiver, index));
    this.parts.body.replaceChildren(...rows);
    this.#choose(this.#chosen);
  }

  /** Updates the view if the event that arrived is the one shown. */
  arrived(occurrence) {
    if (occurrence !== this.occurrence) return;
    const hadFocus = this.parts.body.contains(document.activeElement);
    this.show(occurrence);
    if (hadFocus) this.parts.body.rows[this.#chosen].querySelector("button").focus();
  }

  /** Shows the bytes of the technique above or below. @param {number} step */
  move(step) {
    const { length } = this.receivers;
    if (this.occurrence) this.#choose((this.#chosen + step + length) % length);
  }

  #row(receiver, index) {
    const { technique, track } = receiver;
    const { arrivals, published } = this.occurrence;
    const onclick = () => this.#choose(index);
    const delay = arrivals[index] > 0 ? arrivals[index] - published : NaN;
    const element = make(
      "tr",
      {},
      make("th", { scope: "row" }, make("button", { type: "button", textContent: technique.label, onclick })),
      make("td", { textContent: duration(delay) }),
      make("td", { textContent: reason(this.occurrence, track) }),
    );
    element.style.setProperty("--on-dark", technique.colour.dark);
    element.style.setProperty("--on-light", technique.colour.light);
    return element;
  }

  #choose(index) {
    this.#chosen = index;
    [...this.parts.body.rows].forEach((row, rowIndex) => {
      const button = row.querySelector("button");
      button.setAttribute("aria-pressed", `${rowIndex === index}`);
      row.classList.toggle("is-chosen", rowIndex === index);
    });
    this.#showWire(this.receivers[index]);
  }

  async #showWire({ technique: { name, label }, track }) {
    const { wire } = this.parts;
    this.#pending.abort();
    const { signal } = (this.#pending = new AbortController());
    if (!this.demo) {
      wire.textContent = gettext("Only the demo captures these bytes. Start it with make demo.");
      return;
    }
    if (!(this.occurrence.arrivals[track.index] > 0)) {
      wire.textContent = reason(this.occurrence, track);
      return;
    }
    try {
      const response = await this.demo.wire(name, this.occurrence.id, signal);
      if (signal.aborted) return;
      const title = format(gettext("On the wire: {technique}"), { technique: label });
      wire.replaceChildren(make("h3", { textContent: title }), ...wireDump(response, this.demo.explanations));
    } catch (error) {
      if (!signal.aborted) wire.textContent = error.message;
    }
  }
}

/**
 * Returns the cause of an event's delay, in a sentence.
 *
 * @param {import("../lanes/timeline.js").Occurrence} occurrence
 * @param {import("../lanes/timeline.js").Track} track
 */
function reason({ published, arrivals, live }, track) {
  const arrival = arrivals[track.index];
  if (arrival === NEVER) return gettext("It will not arrive: the server no longer has it.");
  if (!(arrival > 0)) return gettext("Not arrived yet.");
  if (!(live & track.bit)) return gettext("Published before this lane started.");
  if (track.cuts.some((at) => at > published && at < arrival)) return gettext("The connection was cut: delivered after reconnecting.");
  if (!track.exchanges.length) return gettext("The requests of this lane are not recorded.");
  const carrier = track.exchanges.findLast(({ start }) => start <= arrival);
  if (track.isStream || !carrier) return gettext("The connection was open: sent at once.");
  const wait = carrier.start - published;
  if (wait <= CLOCK_ERROR) return gettext("A request was already waiting on the server: answered at once.");
  return format(gettext("Waited {wait} for the browser's next request."), { wait: duration(wait) });
}
