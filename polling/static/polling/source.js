import { Source } from "../transports/source.js";

/**
 * Short polling: the client sends a request at each interval, and the server responds at once. An
 * event is half an interval old on average when it arrives, and most responses are empty.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js.
 */
export class PollingSource extends Source {
  #interval;
  #pause;

  /**
   * @param {string | URL} url
   * @param {import("../transports/source.js").SourceOptions & {
   *   interval?: number, phase?: number }} [options] `interval`: milliseconds from a response to
   *   the next request; `phase`: the part of an interval to wait before the first request (0:
   *   none; `Math.random()` spreads clients that start together)
   */
  constructor(url, { interval = 1_000, phase = 0, ...options } = {}) {
    super(url, options);
    this.#interval = interval;
    this.#pause = phase * interval;
  }

  /** @param {AbortSignal} signal */
  async receive(signal) {
    await this.pause(this.#pause);
    this.#pause = 0; // after a failure only the back-off applies
    this.deliverBatch(await this.requestBatch(signal));
    this.#pause = this.#interval;
  }
}
