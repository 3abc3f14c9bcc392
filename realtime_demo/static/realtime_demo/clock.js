/**
 * Two clocks: events are stamped by the server's and arrive by the browser's. The offset is
 * estimated as NTP does (RFC 5905 §8): ask for the time ten times and believe the answer with
 * the lowest round trip, whose error is at most half of it.
 */
const SAMPLES = 10;
const PATIENCE = 5_000; // milliseconds for all of them

/** This browser's clock: Unix milliseconds, finer than `Date.now()`. */
export const now = () => performance.timeOrigin + performance.now();

export class Clock {
  /** Server's clock minus this one's, and how far off that may be: milliseconds. */
  offset = 0;
  uncertainty = Infinity;

  /** Reads the server's clock; leaves the last estimate where that fails. @param {string} url */
  async read(url) {
    const signal = AbortSignal.timeout(PATIENCE);
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

  /** Clocks that agree within what was measured are left alone: mostly they are the same one. */
  get correction() {
    return Math.abs(this.offset) > this.uncertainty ? this.offset : 0;
  }

  /** Milliseconds from an event's `published_at` to `arrived`. */
  delay(publishedAt, arrived) {
    return arrived + this.correction - publishedAt * 1000;
  }
}
