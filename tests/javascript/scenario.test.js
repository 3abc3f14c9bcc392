import assert from "node:assert/strict";
import { test } from "node:test";

import { Timeline } from "/static/realtime_demo/lanes/timeline.js";
import { Delays } from "/static/realtime_demo/lib/statistics.js";
import { scenarioFigures } from "/static/realtime_demo/panels/scenario-figures.js";

const delaysOf = (values) => {
  const delays = new Delays();
  for (const value of values) delays.add(value);
  return delays;
};

const figuresOf = (values, predictions = {}) => {
  const deliveries = { lost: 0, duplicated: 0, received: values.length };
  const receiver = { technique: { name: "sse" }, delays: delaysOf(values), deliveries, track: { requests: 2, emptyShare: NaN }, reconnects: 1 };
  return scenarioFigures([receiver], predictions, 12_000);
};

test("the median's interval has the ranks of the binomial", () => {
  const interval = (count) => delaysOf(Array.from({ length: count }, (_, index) => index + 1)).medianInterval;
  // The ranks of Conover, Practical Nonparametric Statistics, for 95 %.
  assert.deepEqual([0, 5, 6, 10, 20, 50].map(interval), [null, null, [1, 6], [2, 9], [6, 15], [18, 33]]);
  assert.deepEqual(interval(500).map(Math.round), [228, 273]);
});

test("a median has its number of events", () => {
  const steady = Array.from({ length: 40 }, (_, index) => 100 + (index % 5));
  assert.equal(figuresOf(steady)["median.sse"], "102\u00a0ms (40 events)");
  assert.equal(figuresOf(steady)["p95.sse"], "104\u00a0ms (40 events)");
});

test("too few events are reported as such", () => {
  assert.equal(figuresOf([100])["median.sse"], "100\u00a0ms (only 1 event: too few to tell)");
  const spread = Array.from({ length: 10 }, (_, index) => 20 * index + 10);
  assert.equal(
    figuresOf(spread)["median.sse"],
    "100\u00a0ms (10 events, too few to tell: between 30\u00a0ms and 170\u00a0ms is likely)",
  );
  assert.equal(figuresOf(spread)["p95.sse"], "unknown (only 10 events: 20 are needed)");
});

test("answers cite the theory, the totals and the hidden time", () => {
  const figures = figuresOf([1], { sse: { median: 0.102, p95: 0.2, empty_share: 0.9 } });
  assert.equal(figures["theoryP95.sse"], "200\u00a0ms");
  assert.equal(figures["sample.total"], "only 1 delivery (too few to tell)");
  assert.equal(figuresOf(Array(20).fill(1))["sample.total"], "20 deliveries");
  assert.equal(figures["theory.sse"], "102\u00a0ms");
  assert.equal(figures["theoryEmpty.sse"], "90\u00a0%");
  assert.equal(figures["reconnects.total"], 1);
  assert.equal(figures["hidden.total"], "12.00\u00a0s");
  assert.equal(figuresOf([1])["theory.sse"], "\u2013", "without a prediction");
});

test("the hidden time is that between two times", () => {
  const timeline = new Timeline(1);
  timeline.hide(true, 10);
  timeline.hide(false, 30);
  assert.deepEqual([29, 30].map((time) => timeline.isVisibleSince(time)), [false, true]);
  timeline.hide(true, 50);
  assert.ok(!timeline.isVisibleSince(60));
  assert.equal(timeline.hiddenBetween(0, 100), 20 + 50);
  assert.equal(timeline.hiddenBetween(20, 40), 10);
  assert.equal(timeline.hiddenBetween(30, 50), 0);
});
