/**
 * What all sources share. A source brings a room's events to the page and looks like the
 * browser's own `EventSource` (https://html.spec.whatwg.org/multipage/server-sent-events.html),
 * whatever technique it uses: the page only listens.
 *
 *     const source = new PollingSource("/polling/lobby/", { since: "k3f9-42" });
 *     source.addEventListener("message", ({ data }) => show(JSON.parse(data)));
 *
 * Events it dispatches, and no others:
 *   open     Event         connected, again after every interruption
 *   message  MessageEvent  one event of the room, in order: `data` is its JSON, `lastEventId`
 *                          its cursor, `origin` the server's
 *   error    CustomEvent   `detail` is an {@link Interruption}; `readyState` says what follows:
 *                          CONNECTING it reconnects by itself, CLOSED it has given up,
 *                          OPEN the server refused something and the connection goes on
 *
 * Properties: `url`, `since` (the cursor from which the next connection resumes), `readyState`.
 * `close()` ends it at once; nothing is dispatched afterwards. All times are milliseconds.
 *
 * A technique's own source holds only what differs: when a response ends and how an event is
 * framed. It implements `receive(signal)`.
 *
 * @typedef {object} SourceOptions
 * @property {string} [since] resume behind this cursor; without it: recent events, then live
 * @property {typeof globalThis.fetch} [fetch] in place of the browser's
 * @property {number} [heartbeat] milliseconds between the server's signs of life on an open
 *   connection; when three have been missed it counts as dead
 *
 * @typedef {object} Interruption
 * @property {string} code "unreachable", "unavailable", "refused", "lost", "ended", "silent",
 *   "malformed"; on an open WebSocket the server's own
 * @property {string} reason in words; the server's own `detail` where it gave one
 * @property {number | null} status the HTTP status or WebSocket close code, where there was one
 * @property {number | null} retryIn milliseconds to the next attempt, where that is known
 *
 * @typedef {{ id: string }} FeedEvent
 * @typedef {{ room: string, cursor: string, events: FeedEvent[] }} Batch
 */

import { Failure, parse } from "./failure.js";

export const CONNECTING = 0;
export const OPEN = 1;
export const CLOSED = 2;

/** Back-off: the first ceiling, doubled by each failure in a row up to the longest. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 3_000;

export class Source extends EventTarget {
  static CONNECTING = CONNECTING;
  static OPEN = OPEN;
  static CLOSED = CLOSED;

  #readyState = CONNECTING;
  #failures = 0;
  #attempt = new AbortController();
  #closing = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  #fetch;

  /**
   * @param {string | URL} url
   * @param {SourceOptions} [options]
   */
  constructor(url, { since = "", fetch = globalThis.fetch, heartbeat = 15_000 } = {}) {
    super();
    this.url = new URL(url, globalThis.location?.href);
    this.since = since;
    /** Milliseconds for which an attempt may stay silent. */
    this.patience = 3 * heartbeat;
    this.#fetch = fetch;
    queueMicrotask(() => this.#run()); // once the constructors below this one are through
  }

  get readyState() {
    return this.#readyState;
  }

  close() {
    this.#readyState = CLOSED;
    this.#closing.abort();
    this.#attempt.abort();
  }

  // --- For the technique's own source ------------------------------------------------------

  /**
   * One attempt: dispatches what arrives. Called again when it resolves; after a back-off,
   * when it throws. `signal` aborts it on `close()` and when it has been silent too long.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async receive(signal) {
    throw new Error(`${this.constructor.name} has no receive(${signal})`);
  }

  /** The address of the next attempt. @param {Record<string, string | number>} [query] */
  address(query = {}) {
    const address = new URL(this.url);
    if (this.since) address.searchParams.set("since", this.since);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, `${value}`);
    return address;
  }

  /**
   * GET, or another method; throws a `Failure` unless the answer is 200.
   *
   * @param {AbortSignal} signal
   * @param {Record<string, string | number>} [query]
   * @param {string} [method]
   */
  async request(signal, query, method = "GET") {
    const fetch = this.#fetch; // called bare: the browser's fetch refuses another `this`
    this.listen();
    let response;
    try {
      // Two equal long polls wait for each other in the browser's cache, even where the
      // server forbids storing: only `cache` says so early enough.
      response = await fetch(this.address(query), { method, cache: "no-store", signal });
    } catch (cause) {
      throw new Failure("unreachable", "The server cannot be reached.", { cause });
    }
    if (response.status !== 200) throw await Failure.of(response);
    return response;
  }

  /**
   * The batch that a GET answers with.
   *
   * @param {AbortSignal} signal
   * @param {Record<string, string | number>} [query]
   * @returns {Promise<Batch>}
   */
  async requestBatch(signal, query) {
    const response = await this.request(signal, query);
    const text = await response.text();
    return parse(text);
  }

  /** Connected: dispatches `open`, unless it was open already. */
  opened() {
    if (this.#readyState !== CONNECTING) return;
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
  }

  /** Something arrived: the connection works, and silence is counted from here. */
  heard() {
    this.#failures = 0;
    if (this.#silence) this.listen();
  }

  /** From now on the present attempt is given up when it stays silent longer than `patience`. */
  listen() {
    const attempt = this.#attempt;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const seconds = Math.round(this.patience / 1000);
      attempt.abort(new Failure("silent", `Nothing was heard for ${seconds} s.`));
    }, this.patience);
  }

  /** From now on its silence says nothing. */
  unlisten() {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  /**
   * Dispatches one event and moves the cursor behind it.
   *
   * @param {string} data
   * @param {string} id
   */
  deliver(data, id) {
    if (this.#readyState === CLOSED) return;
    this.since = id;
    this.dispatch(data, id);
  }

  /**
   * Dispatches a batch's events. Its own cursor counts too: an empty batch can advance.
   *
   * @param {Batch} batch
   */
  deliverBatch({ cursor, events }) {
    this.heard();
    this.opened();
    for (const event of events) this.deliver(JSON.stringify(event), event.id);
    if (this.#readyState !== CLOSED) this.since = cursor;
  }

  /**
   * @param {string} data
   * @param {string} lastEventId
   */
  dispatch(data, lastEventId) {
    if (this.#readyState === CLOSED) return;
    const { origin } = this.url;
    this.dispatchEvent(new MessageEvent("message", { data, lastEventId, origin }));
  }

  /** Dispatches `error` and nothing else. @param {Interruption} detail */
  report(detail) {
    this.dispatchEvent(new CustomEvent("error", { detail }));
  }

  /**
   * The connection broke and is being made again.
   *
   * @param {Failure} failure
   * @param {number | null} retryIn
   */
  interrupted({ code, message, status }, retryIn) {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CONNECTING;
    this.report({ code, reason: message, status, retryIn });
  }

  /** Resolves after `delay`, or at once when the source is closed. @param {number} delay */
  async pause(delay) {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const timer = setTimeout(done, delay);
      signal.addEventListener("abort", done);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }

  // -----------------------------------------------------------------------------------------

  async #run() {
    while (this.#readyState !== CLOSED) {
      const attempt = (this.#attempt = new AbortController());
      try {
        await this.receive(attempt.signal);
      } catch (error) {
        if (this.#readyState === CLOSED) return;
        const failure = Failure.from(attempt.signal.aborted ? attempt.signal.reason : error);
        if (failure.final) return this.#giveUp(failure);
        const delay = this.#backOff(failure);
        this.#end(attempt);
        this.interrupted(failure, delay);
        await this.pause(delay);
      } finally {
        this.#end(attempt);
      }
    }
  }

  /** Stops what is left of an attempt: its watch, and a response still on its way. */
  #end(/** @type {AbortController} */ attempt) {
    this.unlisten();
    attempt.abort();
  }

  /**
   * Exponential, bounded, with full jitter, so that clients cut together do not come back
   * together; and never before the server's own Retry-After.
   *
   * @param {Failure} failure
   */
  #backOff({ retryAfter }) {
    const ceiling = Math.min(FIRST_DELAY * 2 ** this.#failures++, LONGEST_DELAY);
    return retryAfter + Math.random() * ceiling;
  }

  /** @param {Failure} failure */
  #giveUp({ code, message, status }) {
    this.close();
    this.report({ code, reason: message, status, retryIn: null });
  }
}
