/**
 * Two clocks: events are stamped by the server's and arrive by the browser's. The offset is
 * estimated as NTP does (RFC 5905 §8): ask for the time ten times and use the answer with
 * the lowest round trip; its error is at most half of that.
 */
const SAMPLES = 10;
const TIMEOUT = 5_000; // milliseconds for all of them

/** This browser's clock: Unix milliseconds, finer than `Date.now()`. */
export const now = () => performance.timeOrigin + performance.now();

export class Clock {
  /** Server's clock minus this one's, and how far off that may be: milliseconds. */
  offset = 0;
  uncertainty = Infinity;

  /** Reads the server's clock; keeps the last estimate if that fails. @param {string} url */
  async read(url) {
    const signal = AbortSignal.timeout(TIMEOUT);
    let best = { offset: 0, uncertainty: Infinity };
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const asked = now();
      const response = await fetch(url, { cache: "no-store", signal });
      const answered = now();
      if (!response.ok) return;
      const server = (await response.json()).now * 1000;
      const uncertainty = (answered - asked) / 2;
      if (uncertainty < best.uncertainty) best = { offset: server - asked - uncertainty, uncertainty };
    }
    Object.assign(this, best);
  }

  /** 0 where the clocks agree within the uncertainty: mostly they are the same clock. */
  get correction() {
    return Math.abs(this.offset) > this.uncertainty ? this.offset : 0;
  }

  /** Milliseconds from an event's `published_at` to `arrived`. */
  delay(publishedAt, arrived) {
    return arrived + this.correction - publishedAt * 1000;
  }
}
