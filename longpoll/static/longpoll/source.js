import { OPEN, Source } from "../transports/source.js";

/**
 * Long polling (RFC 6202 §2): the server holds a request until there is something to say, and
 * the answer is followed by the next request at once. It is a stream cut at its first batch.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js.
 */
export class LongPollingSource extends Source {
  #wait;

  /**
   * @param {string | URL} url
   * @param {import("../transports/source.js").SourceOptions & { wait?: number }} [options]
   *   `wait`: milliseconds, in whole seconds, for which the server may hold a request
   */
  constructor(url, { wait = 25_000, ...options } = {}) {
    super(url, options);
    this.#wait = wait;
    this.patience += wait;
  }

  /** @param {AbortSignal} signal */
  async receive(signal) {
    // The first request is not held, so that it is known at once whether the server answers.
    const wait = this.readyState === OPEN ? this.#wait : 0;
    const asked = performance.now();
    const batch = await this.requestBatch(signal, { wait: wait / 1000 });
    this.deliverBatch(batch);
    // Empty long before its time: a server that is stopping, or a proxy. Asking again at once
    // would only spin.
    const early = performance.now() - asked < wait / 2;
    if (!batch.events.length && early) await this.pause(Math.random() * 1_000);
  }
}
