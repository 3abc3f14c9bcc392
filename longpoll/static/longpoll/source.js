import { OPEN, Source } from "../transports/source.js";

/**
 * Long polling (RFC 6202 §2): the server holds a request until there are events, and the client
 * sends the next request as soon as it has the response.
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
    this.silenceTimeout += wait;
  }

  /** @param {AbortSignal} signal */
  async receive(signal) {
    // The first request does not wait, so that `open` is dispatched as soon as the server responds.
    const wait = this.readyState === OPEN ? this.#wait : 0;
    const sentAt = performance.now();
    const batch = await this.requestBatch(signal, { wait: wait / 1000 });
    this.deliverBatch(batch);
    // An early empty batch comes from a stopping server or a proxy: pause, to avoid a busy loop.
    const early = performance.now() - sentAt < wait / 2;
    if (!batch.events.length && early) await this.pause(Math.random() * 1_000);
  }
}
