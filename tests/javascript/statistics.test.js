import assert from "node:assert/strict";
import { test } from "node:test";

import { BINS, Delays, predictedShares, relativeMedians } from "/static/realtime_demo/lib/statistics.js";

const delaysOf = (values) => {
  const delays = new Delays();
  for (const value of values) delays.add(value);
  return delays;
};
const upTo = (number) => Array.from({ length: number }, (_, index) => index + 1);
const sum = (values) => values.reduce((total, value) => total + value, 0);

test("figures are of the last 500 delays; the percentile needs 20", () => {
  for (const [number, count, median, p95] of [
    [0, 0, NaN, NaN],
    [19, 19, 10, NaN],
    [20, 20, 10.5, 19],
    [1341, 500, 1091.5, 1316],
  ]) {
    const delays = delaysOf(upTo(number));
    assert.equal(delays.count, count);
    assert.equal(delays.figures.median, median);
    assert.equal(Math.round(delays.figures.p95), p95);
  }
});

test("cleared delays have no figures", () => {
  const delays = delaysOf([1, 2, 3]);
  assert.equal(delays.figures.median, 2);
  delays.clear();
  assert.equal(delays.count, 0);
  assert.ok(Number.isNaN(delays.figures.median));
});

test("the outer bins have all delays beyond the histogram's scale", () => {
  const { shares } = delaysOf([0.1, 1, 100, 1e6]);
  assert.equal(shares.length, BINS);
  assert.equal(sum(shares), 1);
  assert.equal(shares[0], 0.5);
  assert.equal(shares[BINS / 2], 0.25);
  assert.equal(shares[BINS - 1], 0.25);
});

test("medians are relative to the longest one", () => {
  assert.deepEqual(relativeMedians([delaysOf([50]), delaysOf([100]), delaysOf([])]), [0.5, 1, 0]);
  assert.deepEqual(relativeMedians([delaysOf([50])]), [0], "a single one has nothing to be compared with");
  assert.deepEqual(relativeMedians([delaysOf([]), delaysOf([])]), [0, 0]);
});

test("predicted shares follow a cumulative distribution", () => {
  const shares = predictedShares([[0, 0], [0.01, 0.5], [0.1, 1]]); // seconds
  assert.ok(Math.abs(sum(shares) - 1) < 1e-12);
  assert.ok(shares.every((share) => share >= 0));
  assert.ok(Math.abs(sum(shares.slice(0, BINS / 4)) - 0.5) < 1e-12, "half of them within 10 ms");
  const [first, ...rest] = predictedShares([[0.0005, 0], [0.0005, 1]]); // one delay for all
  assert.deepEqual([first, sum(rest)], [1, 0]);
});
