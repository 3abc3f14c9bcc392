/** The figures in a scenario's answer: measured, with their number of events, and predicted. */
import { MIN_FOR_P95 } from "../lib/statistics.js";
import { duration, format, gettext, ngettext, percent } from "../lib/text.js";

const WIDE = 0.5; // an interval wider than this share of its median does not settle the answer
const NARROW = 50; // milliseconds: an interval as narrow as this always does

/**
 * @typedef {Record<string, { median: number, p95: number, density: [number, number][], empty_share: number }>} Predictions
 *   by technique; delays in seconds
 */

/**
 * Returns the figures by the names of the placeholders in answers, such as `median.sse`.
 *
 * @param {import("../sources/receiver.js").Receiver[]} receivers
 * @param {Predictions} predictions
 * @param {number} hiddenTime milliseconds for which the page was hidden
 */
export function scenarioFigures(receivers, predictions, hiddenTime) {
  /** @type {Record<string, any>} */
  const values = { "hidden.total": duration(hiddenTime) };
  const total = { lost: 0, duplicated: 0, live: 0, reconnects: 0, requests: 0 };
  for (const { technique, delays, deliveries, track, reconnects } of receivers) {
    const predicted = predictions[technique.name];
    const figures = {
      median: medianText(delays),
      p95: p95Text(delays),
      requests: track.requests,
      empty: percent(track.emptyShare),
      reconnects,
      lost: deliveries.lost,
      duplicated: deliveries.duplicated,
      received: deliveries.received,
      live: delays.count,
      theory: duration((predicted?.median ?? NaN) * 1000),
      theoryP95: duration((predicted?.p95 ?? NaN) * 1000),
      theoryEmpty: percent(predicted?.empty_share ?? NaN),
    };
    for (const [name, value] of Object.entries(figures)) values[`${name}.${technique.name}`] = value;
    for (const name of Object.keys(total)) total[name] += figures[name];
  }
  for (const [name, value] of Object.entries(total)) values[`${name}.total`] = value;
  values["sample.total"] = sampleText(total.live + total.lost);
  return values;
}

/** The deliveries of the run to all lanes, of which some may be lost. @param {number} count */
function sampleText(count) {
  const text = format(ngettext("{n} delivery", "{n} deliveries", count), { n: count });
  return count < MIN_FOR_P95 ? format(gettext("only {deliveries} (too few to tell)"), { deliveries: text }) : text;
}

const events = (n) => format(ngettext("{n} event", "{n} events", n), { n });

/** @param {import("../lib/statistics.js").Delays} delays */
function medianText(delays) {
  const { median } = delays.figures;
  const interval = delays.medianInterval;
  const values = { median: duration(median), events: events(delays.count) };
  if (!interval) return format(gettext("{median} (only {events}: too few to tell)"), values);
  const [low, high] = interval;
  const isWide = high - low > Math.max(WIDE * median, NARROW);
  if (!isWide) return format(gettext("{median} ({events})"), values);
  const template = gettext("{median} ({events}, too few to tell: between {low} and {high} is likely)");
  return format(template, { ...values, low: duration(low), high: duration(high) });
}

/** @param {import("../lib/statistics.js").Delays} delays */
function p95Text(delays) {
  const values = { p95: duration(delays.figures.p95), events: events(delays.count), least: MIN_FOR_P95 };
  if (delays.count < MIN_FOR_P95) return format(gettext("unknown (only {events}: {least} are needed)"), values);
  return format(gettext("{p95} ({events})"), values);
}
