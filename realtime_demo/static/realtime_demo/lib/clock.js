/**
 * The offset between the server's clock, which stamps events, and the browser's. It is estimated as
 * by NTP (RFC 5905 §8): of ten requests for the time, the response with the shortest round trip is
 * used; its error is at most half of that.
 */
const SAMPLES = 10;
const TIMEOUT = 5_000; // milliseconds for all requests

/** This browser's clock: Unix milliseconds, finer than `Date.now()`. */
export const now = () => performance.timeOrigin + performance.now();

export class Clock {
  /** The server's clock minus this one, and the bound of its error: milliseconds. */
  offset = 0;
  uncertainty = Infinity;

  /** Reads the server's clock; keeps the last estimate on failure. @param {string} url */
  async read(url) {
    const signal = AbortSignal.timeout(TIMEOUT);
    let best = { offset: 0, uncertainty: Infinity };
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const sentAt = now();
      const response = await fetch(url, { cache: "no-store", signal });
      const receivedAt = now();
      if (!response.ok) return;
      const serverTime = (await response.json()).now * 1000;
      const uncertainty = (receivedAt - sentAt) / 2;
      if (uncertainty < best.uncertainty) best = { offset: serverTime - sentAt - uncertainty, uncertainty };
    }
    Object.assign(this, best);
  }

  /** 0 if the clocks agree within the uncertainty: then they are probably the same clock. */
  get correction() {
    return Math.abs(this.offset) > this.uncertainty ? this.offset : 0;
  }

  /** Milliseconds from an event's `published_at` to `arrived`. */
  delay(publishedAt, arrived) {
    return arrived + this.correction - publishedAt * 1000;
  }
}
