/** A pane: one technique's source, what it brought, how late, and whether anything is missing. */
import { now } from "./clock.js";
import { Ledger, ranges } from "./ledger.js";
import { marker } from "./markers.js";
import { duration, knows, say } from "./strings.js";

const OPEN = 1;
const CLOSED = 2;
const SHOWN = 200; // events in the list, and delays in the median
/** Drawn as they are. A type that is not among them, as every client has it, is passed over. */
const DRAWN = new Set(["message", "announcement", "join", "leave", "reset"]);
const time = new Intl.DateTimeFormat(document.documentElement.lang, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** Where a delay lies on the scale from 1 ms to 10 s, logarithmic: 0 to 100 (per cent). */
const position = (delay) => Math.min(Math.max(Math.log10(Math.max(delay, 1)) / 4, 0), 1) * 100;

export class Pane {
  ledger = new Ledger();
  /** Delays of the last live events, in milliseconds. @type {number[]} */
  delays = [];
  state = "stopped";

  #source = null;
  #since = "";
  #wanted = true; // by whoever reads the page
  #allowed = false; // by the lock
  #startedAt = 0;
  /** Events not drawn yet. */
  #waiting = [];
  #countdown;

  /**
   * @param {HTMLElement} element
   * @param {{ name: string, label: string, url: string, colour: { dark: string, light: string } }} technique
   * @param {(since: string) => EventTarget} open makes the source
   * @param {import("./clock.js").Clock} clock
   * @param {{ changed: (pane: Pane, state?: string) => void, isVisible: (since: number) => boolean }} page
   */
  constructor(element, technique, open, clock, page) {
    this.element = element;
    this.label = technique.label;
    this.open = open;
    this.clock = clock;
    this.page = page;
    this.parts = Object.fromEntries(
      ["toggle", "state", "median", "measured", "scale", "verdict", "events"].map((name) => [
        name,
        element.querySelector(`.${name}`),
      ]),
    );
    element.style.setProperty("--on-dark", technique.colour.dark);
    element.style.setProperty("--on-light", technique.colour.light);
    element.querySelector(".marker path").setAttribute("d", marker(technique.name));
    this.parts.toggle.addEventListener("click", () => {
      this.#wanted = !this.#source;
      this.#follow();
    });
    this.#show("stopped");
  }

  /** The lock's word: whether this tab may hold connections. @param {boolean} allowed */
  allow(allowed) {
    this.#allowed = allowed;
    this.#follow();
  }

  get median() {
    const sorted = this.delays.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  // --- The source --------------------------------------------------------------------------

  #follow() {
    const run = this.#wanted && this.#allowed;
    if (run && !this.#source) this.#start();
    else if (!run && this.#source) this.#stop();
  }

  #start() {
    this.#startedAt = now();
    const source = (this.#source = this.open(this.#since));
    source.addEventListener("open", () => this.#show("open"));
    source.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    source.addEventListener("error", ({ detail }) => this.#interrupted(detail));
    this.#show("connecting");
  }

  #stop(state = "stopped", words = say(state)) {
    this.#since = this.#source.since;
    this.#source.close();
    this.#source = null;
    this.#show(state, words);
  }

  #receive(event) {
    const arrived = now();
    this.ledger.record(event);
    const delay = this.clock.delay(event.published_at, arrived);
    // Published before this pane asked: its age says nothing about the technique.
    const isLive = event.type !== "reset" && arrived - delay >= this.#startedAt;
    const isCounted = isLive && this.page.isVisible(arrived - delay);
    if (isCounted) {
      this.delays.push(delay);
      if (this.delays.length > SHOWN) this.delays.shift();
    }
    if (DRAWN.has(event.type)) this.#waiting.push({ event, delay: isLive ? delay : null, isCounted });
    if (this.#waiting.length > SHOWN) this.#waiting.shift();
    this.page.changed(this);
  }

  #interrupted({ code, reason: words, retryIn }) {
    const reason = knows(code) ? say(code) : words;
    const { readyState } = this.#source;
    if (readyState === OPEN) {
      this.#show("open", say("openRefused", { reason: words }));
    } else if (readyState === CLOSED) {
      this.#wanted = false;
      this.#stop("closed", say("closed", { reason: words }));
    } else if (retryIn === null) {
      this.#show("reconnecting", say("retrying", { reason }));
    } else {
      this.#countDown(now() + retryIn, reason);
    }
  }

  #countDown(until, reason) {
    const seconds = Math.ceil((until - now()) / 1000);
    const words = seconds > 0 ? "reconnecting" : "retrying";
    this.#show("reconnecting", say(words, { seconds, reason }));
    if (seconds > 0) this.#countdown = setTimeout(() => this.#countDown(until, reason), 250);
  }

  // --- What is seen ------------------------------------------------------------------------

  #show(state, words = say(state)) {
    clearTimeout(this.#countdown);
    const changed = state !== this.state;
    this.state = this.element.dataset.state = state;
    const { state: line, toggle } = this.parts;
    if (line.textContent !== words) line.textContent = words;
    const action = say(this.#source ? "stop" : "start");
    toggle.textContent = action;
    toggle.setAttribute("aria-label", say("toggle", { action, technique: this.label }));
    if (changed) this.page.changed(this, words);
  }

  /** Draws what has come since the last time; called once a frame at most. */
  draw() {
    const { median, measured, scale, events } = this.parts;
    const items = this.#waiting.splice(0).map((item) => this.#item(item));
    events.prepend(...items.reverse());
    while (events.childElementCount > SHOWN) events.lastElementChild.remove();
    measured.textContent = `${this.delays.length}`;
    if (this.delays.length) {
      median.querySelector("strong").textContent = duration(this.median);
      scale.style.setProperty("--at", `${position(this.median)}%`);
      scale.dataset.measured = "";
    }
    this.#drawLedger();
  }

  #drawLedger() {
    const { ledger, element } = this;
    for (const cell of element.querySelectorAll("[data-count]")) {
      const count = ledger[cell.dataset.count];
      cell.textContent = `${count}`;
      cell.classList.toggle("bad", cell.dataset.count !== "received" && count > 0);
    }
    const { verdict } = this.parts;
    const [kind, words] = this.#judge();
    verdict.dataset.verdict = kind;
    verdict.textContent = words;
  }

  #judge() {
    const { ledger } = this;
    if (ledger.missing.length) return ["bad", say("incomplete", { numbers: ranges(ledger.missing) })];
    if (ledger.lost) return ["bad", say("incompleteBefore")];
    if (!ledger.isComplete) return ["bad", say("faulty")];
    if (ledger.resets) return ["good", say("completeSince")];
    if (ledger.received) return ["good", say("complete")];
    return ["waiting", say("waiting")];
  }

  #item({ event, delay, isCounted }) {
    const item = document.getElementById("event-template").content.cloneNode(true).firstElementChild;
    const part = (selector) => item.querySelector(selector);
    item.dataset.type = event.type;
    item.dataset.id = event.id;
    const published = new Date(event.published_at * 1000);
    part("time").dateTime = published.toISOString();
    part("time").textContent = time.format(published);
    part(".sender").textContent = event.sender;
    part(".text").textContent = event.text;
    if (event.type === "announcement") part(".sender").textContent = say("announcement");
    if (event.type === "join" || event.type === "leave") part(".text").textContent = say(event.type);
    if (delay === null) part(".bar").remove();
    if (event.type === "reset") {
      const known = Number.isInteger(event.missed);
      part(".sender").textContent = say(known ? "reset" : "resetUnknown", event);
      part(".text").textContent = say("resetText");
    } else if (delay === null) {
      part(".delay").textContent = say("backlog");
    } else {
      part(".bar").style.inlineSize = `${position(delay)}%`;
      const words = duration(delay);
      part(".delay").textContent = isCounted ? words : say("uncounted", { delay: words });
    }
    return item;
  }
}
