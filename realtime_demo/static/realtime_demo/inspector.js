/** One event, looked at: what each technique did with it, and the bytes that carried it. */
import { duration, say } from "./strings.js";
import { VOID } from "./timeline.js";
import { wireView } from "./wire.js";
import { sentence } from "./wording.js";

const SLACK = 2; // milliseconds that a clock may be off when a request and an event coincide

export class Inspector {
  /** @type {import("./timeline.js").Occurrence | null} */
  occurrence = null;
  #asking = new AbortController();
  #chosen = 0;

  /**
   * @param {HTMLElement} element
   * @param {import("./receiver.js").Receiver[]} receivers
   * @param {import("./stage.js").Stage | null} stage
   */
  constructor(element, receivers, stage) {
    Object.assign(this, { element, receivers, stage });
    const part = (selector) => element.querySelector(selector);
    this.parts = { title: part(".picked"), body: part("tbody"), wire: part(".wire") };
  }

  /** @param {import("./timeline.js").Occurrence | null} occurrence */
  show(occurrence) {
    this.occurrence = occurrence;
    this.element.hidden = !occurrence;
    if (!occurrence) return this.#asking.abort();
    this.parts.title.textContent = sentence(occurrence.event);
    const rows = this.receivers.map((receiver, index) => this.#row(receiver, index));
    this.parts.body.replaceChildren(...rows);
    this.#choose(this.#chosen);
  }

  /** The technique above or below, whose bytes are shown. @param {number} step */
  move(step) {
    const { length } = this.receivers;
    if (this.occurrence) this.#choose((this.#chosen + step + length) % length);
  }

  #row(receiver, index) {
    const { technique, track } = receiver;
    const line = document.createElement("tr");
    line.style.setProperty("--on-dark", technique.colour.dark);
    line.style.setProperty("--on-light", technique.colour.light);
    const head = document.createElement("th");
    head.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = technique.label;
    button.addEventListener("click", () => this.#choose(index));
    head.append(button);
    const delay = document.createElement("td");
    const arrival = this.occurrence.arrivals[index];
    delay.textContent = arrival > 0 ? duration(arrival - this.occurrence.published) : "–";
    const why = document.createElement("td");
    why.textContent = reason(this.occurrence, track);
    line.append(head, delay, why);
    return line;
  }

  #choose(index) {
    this.#chosen = index;
    [...this.parts.body.rows].forEach((row, place) => {
      const button = row.querySelector("button");
      button.setAttribute("aria-pressed", `${place === index}`);
      row.classList.toggle("is-chosen", place === index);
    });
    this.#showWire(this.receivers[index].technique);
  }

  async #showWire({ name, label }) {
    const { wire } = this.parts;
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    if (!this.stage) {
      wire.textContent = say("wireNeedsTap");
      return;
    }
    try {
      const found = await this.stage.wire(name, this.occurrence.id, signal);
      if (signal.aborted) return;
      const title = document.createElement("h3");
      title.textContent = say("wireOf", { technique: label });
      wire.replaceChildren(title, ...wireView(found, this.stage.says));
    } catch (error) {
      if (!signal.aborted) wire.textContent = error.message;
    }
  }
}

/**
 * Why an event was as late as it was, in a sentence.
 *
 * @param {import("./timeline.js").Occurrence} occurrence
 * @param {import("./timeline.js").Track} track
 */
function reason({ published, arrivals, live }, track) {
  const arrival = arrivals[track.index];
  if (arrival === VOID) return say("whyNever");
  if (!(arrival > 0)) return say("whyNotHere");
  if (!(live & track.bit)) return say("whyBacklog");
  if (track.cuts.some((at) => at > published && at < arrival)) return say("whyCut");
  const carrier = track.exchanges.findLast(({ start }) => start <= arrival);
  if (track.isStream || !carrier) return say("whyOpen");
  const wait = carrier.start - published;
  if (wait <= SLACK) return say("whyHeld");
  return say("whyAsked", { wait: duration(wait) });
}
