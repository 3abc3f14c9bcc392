/** Statistics of delays: median, 95th percentile, and a histogram over four decades. */
const MAX_DELAYS = 500;
export const MIN_FOR_P95 = 20; // the 95th percentile of fewer delays is about their maximum
const SCALE = [1, 10_000]; // milliseconds at its two ends
export const BINS = 32;

/** The position of a delay on the logarithmic scale: 0 to 1. @param {number} delay */
export const position = (delay) =>
  Math.min(Math.max(Math.log10(Math.max(delay, SCALE[0])) / Math.log10(SCALE[1]), 0), 1);

const bin = (delay) => Math.min(Math.floor(position(delay) * BINS), BINS - 1);

export class Delays {
  /** The latest delays, in milliseconds. @type {number[]} */
  #values = [];
  #figures = null;

  /** The number of delays. */
  get count() {
    return this.#values.length;
  }

  add(delay) {
    this.#figures = null;
    this.#values.push(delay);
    if (this.#values.length > MAX_DELAYS) this.#values.shift();
  }

  clear() {
    this.#values = [];
    this.#figures = null;
  }

  /** The median and the 95th percentile; NaN without any, or without enough. */
  get figures() {
    if (!this.#figures) {
      const sorted = Float64Array.from(this.#values).sort();
      const p95 = sorted.length < MIN_FOR_P95 ? NaN : quantile(sorted, 0.95);
      this.#figures = { median: quantile(sorted, 0.5), p95 };
    }
    return this.#figures;
  }

  /**
   * The 95 % confidence interval on the median, by order statistics; null with fewer than six
   * delays. `rank` is the largest whose two tails together have at most 5 % (binomial, p = 1/2).
   *
   * @returns {[number, number] | null}
   */
  get medianInterval() {
    const { length } = this.#values;
    let rank = 0;
    let probability = 0.5 ** length;
    let tail = probability;
    while (tail <= 0.025 && rank < length) {
      rank += 1;
      probability *= (length - rank + 1) / rank;
      tail += probability;
    }
    const sorted = Float64Array.from(this.#values).sort();
    return rank ? [sorted[rank - 1], sorted[length - rank]] : null;
  }

  /** The share of the delays in each bin. */
  get shares() {
    const shares = new Array(BINS).fill(0);
    for (const delay of this.#values) shares[bin(delay)] += 1 / this.#values.length;
    return shares;
  }
}

/**
 * Returns each median relative to the longest one, 0 to 1; 0 for a single one, which has nothing to
 * be compared with.
 *
 * @param {Delays[]} all
 */
export function relativeMedians(all) {
  const medians = all.map(({ figures }) => Math.max(figures.median, 0) || 0);
  const longest = Math.max(...medians);
  return medians.map((median) => (longest && all.length > 1 ? median / longest : 0));
}

/** Linear between the two nearest ranks. @param {Float64Array} sorted */
function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const rank = share * (sorted.length - 1);
  const low = sorted[Math.floor(rank)];
  return low + (sorted[Math.ceil(rank)] - low) * (rank % 1);
}

/**
 * Returns the share of each bin by a cumulative distribution: [delay in seconds, share up to it], rising.
 *
 * @param {[number, number][]} cumulative
 */
export function predictedShares(cumulative) {
  const delayAt = (edge) => Math.exp(edge * Math.log(SCALE[1]));
  const shares = [];
  let before = 0;
  for (let index = 0; index < BINS; index += 1) {
    const last = index === BINS - 1; // the last bin also has all longer delays, the first bin all shorter ones
    const after = last ? 1 : shareUpTo(cumulative, delayAt((index + 1) / BINS) / 1000);
    shares.push(after - before);
    before = after;
  }
  return shares;
}

function shareUpTo(cumulative, delay) {
  let [previous, below] = [0, 0];
  for (const [edge, share] of cumulative) {
    if (edge > delay) {
      return edge === previous ? below : below + ((share - below) * (delay - previous)) / (edge - previous);
    }
    [previous, below] = [edge, share];
  }
  return 1;
}
