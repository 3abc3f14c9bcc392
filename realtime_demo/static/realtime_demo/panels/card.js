/** A technique's card: its figures beside its lane. */
import { marker } from "../lanes/marker.js";
import { find, findAll } from "../lib/dom.js";
import { bytes, count, duration, format, gettext, percent, write } from "../lib/text.js";
import { ranges } from "../sources/deliveries.js";
import { Histogram } from "./histogram.js";

const FAULTS = new Set(["lost", "duplicated", "outOfOrder"]);

export class Card {
  /** Shares of the histogram's bins. @type {number[] | null} */
  predicted = null;

  /**
   * @param {HTMLElement} element
   * @param {import("../sources/receiver.js").Receiver} receiver
   */
  constructor(element, receiver) {
    this.element = element;
    this.receiver = receiver;
    const { technique } = receiver;
    const part = (selector) => find(element, selector);
    this.parts = {
      toggle: part(".toggle"),
      state: part(".state"),
      median: part(".median strong"),
      p95: part(".p95 strong"),
      length: part(".length"),
      measured: part(".measured"),
      verdict: part(".verdict"),
    };
    this.counts = findAll(element, "[data-count]");
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
    write(parts.state, receiver.text);
    const action = receiver.isRunning ? gettext("Stop") : gettext("Start");
    write(parts.toggle, action);
    parts.toggle.setAttribute("aria-label", format(gettext("{action} {technique}"), { action, technique: receiver.technique.label }));
  }

  /**
   * @param {number} relativeMedian relative to the slowest technique's: 0 to 1
   * @param {{ epoch: string, seq: number }} [latest] the newest event of all lanes
   * @param {{ up: number, down: number, connections: number } | null} [tapCounts] without a tap, null
   */
  draw(relativeMedian, latest, tapCounts) {
    const { receiver, parts } = this;
    const { delays, deliveries, track } = receiver;
    const { median, p95 } = delays.figures;
    write(parts.median, duration(median));
    write(parts.p95, duration(p95));
    const scale = relativeMedian.toFixed(3);
    if (parts.length.style.getPropertyValue("--long") !== scale) parts.length.style.setProperty("--long", scale);
    write(parts.measured, count(delays.count));
    this.histogram.draw(delays.shares, this.predicted, median);
    const values = {
      requests: count(track.requests),
      empty: percent(track.emptyShare),
      reconnects: count(receiver.reconnects),
      open: count(tapCounts?.connections ?? track.open),
      up: bytes(tapCounts?.up ?? NaN),
      down: bytes(tapCounts?.down ?? NaN),
      sent: count(deliveries.sent(latest)),
      received: count(deliveries.received),
      lost: count(deliveries.lost),
      duplicated: count(deliveries.duplicated),
      outOfOrder: count(deliveries.outOfOrder),
    };
    for (const cell of this.counts) {
      const { count: name } = cell.dataset;
      write(cell, values[name]);
      cell.classList.toggle("bad", FAULTS.has(name) && deliveries[name] > 0);
    }
    const [kind, text] = verdictOf(deliveries);
    parts.verdict.dataset.verdict = kind;
    write(parts.verdict, text);
  }
}

/** @param {import("../sources/deliveries.js").Deliveries} deliveries */
function verdictOf(deliveries) {
  if (deliveries.missing.length) return ["bad", format(gettext("Missing: {numbers}"), { numbers: ranges(deliveries.missing) })];
  if (deliveries.lost) return ["bad", gettext("Earlier events are missing")];
  if (!deliveries.isComplete) return ["bad", gettext("Nothing is missing, but some arrived twice or out of order")];
  if (deliveries.resets) return ["good", gettext("Complete since the reset")];
  if (deliveries.received) return ["good", gettext("Complete")];
  return ["waiting", gettext("No events yet")];
}
