/** A technique's card: its figures beside its lane. */
import { Histogram } from "./histogram.js";
import { ranges } from "./ledger.js";
import { marker } from "./markers.js";
import { bytes, count, duration, percent, say, write } from "./strings.js";

const FAULTS = new Set(["lost", "doubled", "disordered"]);

export class Card {
  /** Shares of the histogram's bins. @type {number[] | null} */
  predicted = null;
  /** What the tap counted; null where there is none. @type {{ up: number, down: number, connections: number } | null} */
  tapped = null;

  /**
   * @param {HTMLElement} element
   * @param {import("./receiver.js").Receiver} receiver
   */
  constructor(element, receiver) {
    this.element = element;
    this.receiver = receiver;
    const { technique } = receiver;
    const part = (selector) => element.querySelector(selector);
    this.parts = {
      toggle: part(".toggle"),
      state: part(".state"),
      median: part(".median strong"),
      p95: part(".p95 strong"),
      length: part(".length"),
      measured: part(".measured"),
      verdict: part(".verdict"),
    };
    this.counts = [...element.querySelectorAll("[data-count]")];
    this.histogram = new Histogram(part(".histogram"));
    element.style.setProperty("--on-dark", technique.colour.dark);
    element.style.setProperty("--on-light", technique.colour.light);
    part(".marker path").setAttribute("d", marker(technique.name));
    this.parts.toggle.addEventListener("click", () => receiver.want(!receiver.isRunning));
    this.showState();
  }

  showState() {
    const { receiver, parts } = this;
    this.element.dataset.state = receiver.state;
    write(parts.state, receiver.words);
    const action = say(receiver.isRunning ? "stop" : "start");
    write(parts.toggle, action);
    parts.toggle.setAttribute("aria-label", say("toggle", { action, technique: receiver.technique.label }));
  }

  /**
   * @param {number} length of its delay, beside the slowest one's: 0 to 1
   * @param {{ epoch: string, seq: number }} [latest] the newest event known anywhere
   */
  draw(length, latest) {
    const { receiver, parts, tapped } = this;
    const { delays, ledger, track } = receiver;
    const { median, p95 } = delays.figures;
    write(parts.median, duration(median));
    write(parts.p95, duration(p95));
    const long = length.toFixed(3);
    if (parts.length.style.getPropertyValue("--long") !== long) parts.length.style.setProperty("--long", long);
    write(parts.measured, count(delays.count));
    this.histogram.draw(delays.shares, this.predicted, median);
    const values = {
      requests: count(track.requests),
      empty: percent(track.emptyShare),
      reconnects: count(receiver.reconnects),
      open: count(tapped?.connections ?? track.open),
      up: bytes(tapped?.up ?? NaN),
      down: bytes(tapped?.down ?? NaN),
      sent: count(ledger.sent(latest)),
      received: count(ledger.received),
      lost: count(ledger.lost),
      doubled: count(ledger.doubled),
      disordered: count(ledger.disordered),
    };
    for (const cell of this.counts) {
      const { count: name } = cell.dataset;
      write(cell, values[name]);
      cell.classList.toggle("bad", FAULTS.has(name) && ledger[name] > 0);
    }
    const [kind, words] = judge(ledger);
    parts.verdict.dataset.verdict = kind;
    write(parts.verdict, words);
  }
}

/** @param {import("./ledger.js").Ledger} ledger */
function judge(ledger) {
  if (ledger.missing.length) return ["bad", say("incomplete", { numbers: ranges(ledger.missing) })];
  if (ledger.lost) return ["bad", say("incompleteBefore")];
  if (!ledger.isComplete) return ["bad", say("faulty")];
  if (ledger.resets) return ["good", say("completeSince")];
  if (ledger.received) return ["good", say("complete")];
  return ["waiting", say("waiting")];
}
