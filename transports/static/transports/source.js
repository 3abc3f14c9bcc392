/**
 * Base class of all sources. A source receives a room's events by one technique and has the
 * interface of the browser's `EventSource`
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 *     const source = new PollingSource("/polling/lobby/", { since: "k3f9-42" });
 *     source.addEventListener("message", ({ data }) => show(JSON.parse(data)));
 *
 * It dispatches these events only:
 *   open     Event         connected, again after every interruption
 *   message  MessageEvent  one event of the room, in order: `data` is its JSON, `lastEventId`
 *                          its cursor, `origin` the server's
 *   error    CustomEvent   `detail` is an {@link Interruption}; `readyState` is CONNECTING if the
 *                          source reconnects, CLOSED if it has stopped, OPEN if the server
 *                          rejected a command and the connection continues
 *
 * Properties: `url`, `since` (the cursor from which the next connection resumes), `readyState`.
 * `close()` ends it at once; nothing is dispatched afterwards. All times are milliseconds.
 *
 * It closes its connection on `pagehide`, so that a browser can keep the page for its history
 * (https://web.dev/articles/bfcache), and reconnects on `pageshow`. A device that wakes up does not
 * report its dead connections: so the source also reconnects on `online`, and when the page becomes
 * visible after a long silence.
 *
 * A subclass for a technique implements `receive(signal)`, which decides when a response ends and
 * how an event is framed.
 *
 * @typedef {object} SourceOptions
 * @property {string} [since] resume after this cursor; without it: recent events, then live
 * @property {typeof globalThis.fetch} [fetch] used instead of the browser's `fetch`
 * @property {RequestCredentials} [credentials] "include" sends cookies to another origin, if that
 *   allows it (`ALLOWED_ORIGINS`); a WebSocket always sends them
 * @property {number} [heartbeat] milliseconds between the server's heartbeats on an open
 *   connection; after three missed heartbeats the connection counts as dead
 *
 * @typedef {object} Interruption
 * @property {string} code "unreachable", "unavailable", "refused", "lost", "ended", "silent",
 *   "malformed", "hidden"; on an open WebSocket the server's own
 * @property {string} reason a sentence; the server's own `detail`, if any
 * @property {number | null} status the HTTP status or WebSocket close code, if any
 * @property {number | null} retryIn milliseconds to the next attempt, if known
 *
 * @typedef {{ id: string }} FeedEvent
 * @typedef {{ room: string, cursor: string, events: FeedEvent[] }} Batch
 */

import { Failure, parse } from "./failure.js";

export const CONNECTING = 0;
export const OPEN = 1;
export const CLOSED = 2;

/** Back-off in milliseconds: the first ceiling, which doubles with each consecutive failure, and the longest. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 2_000;

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
  #endPause = () => {};
  #isPausing = false;
  #isHidden = false;
  #receivedAt = Date.now();
  #fetch;

  /**
   * @param {string | URL} url
   * @param {SourceOptions} [options]
   */
  constructor(
    url,
    { since = "", fetch = globalThis.fetch, credentials = "same-origin", heartbeat = 15_000 } = {},
  ) {
    super();
    this.url = new URL(url, globalThis.location?.href);
    this.since = since;
    /** Milliseconds without data after which an attempt is aborted. */
    this.silenceTimeout = 3 * heartbeat;
    this.credentials = credentials;
    this.#fetch = fetch;
    this.#followPage();
    queueMicrotask(() => this.#run()); // after the constructors of subclasses
  }

  get readyState() {
    return this.#readyState;
  }

  close() {
    this.#readyState = CLOSED;
    this.#closing.abort();
    this.#attempt.abort();
    this.#endPause();
  }

  // --- For subclasses -----------------------------------------------------------------------

  /**
   * Makes one attempt and dispatches what arrives. Called again at once when it resolves; after a
   * back-off when it throws. `signal` aborts it on `close()`, after `silenceTimeout`, and when the
   * page is left.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async receive(signal) {
    throw new Error(`${this.constructor.name} has no receive(${signal})`);
  }

  /** Returns the URL of the next attempt. @param {Record<string, string | number>} [query] */
  address(query = {}) {
    const address = new URL(this.url);
    if (this.since) address.searchParams.set("since", this.since);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, `${value}`);
    return address;
  }

  /**
   * Sends a request; throws a `Failure` unless the response is 200.
   *
   * @param {AbortSignal} signal
   * @param {Record<string, string | number>} [query]
   * @param {string} [method]
   */
  async request(signal, query, method = "GET") {
    const fetch = this.#fetch; // not as a method: the browser's fetch rejects another `this`
    this.listen();
    let response;
    try {
      // Two equal long polls wait for each other in the browser's cache, even if the response
      // has `no-store`: only this option prevents that.
      const { credentials } = this;
      const options = { method, cache: /** @type {const} */ ("no-store"), credentials, signal };
      response = await fetch(this.address(query), options);
    } catch (cause) {
      throw new Failure("unreachable", "The server cannot be reached.", { cause });
    }
    if (response.status !== 200) throw await Failure.of(response);
    return response;
  }

  /**
   * Returns the batch of a GET request.
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

  /** Sets `readyState` to OPEN and dispatches `open`, unless it is OPEN. */
  opened() {
    if (this.#readyState !== CONNECTING) return;
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
  }

  /** Resets the back-off and the silence timer, as data has arrived. */
  received() {
    this.#failures = 0;
    this.#receivedAt = Date.now();
    if (this.#silence) this.listen();
  }

  /** Starts the silence timer: the attempt is aborted after `silenceTimeout` without data. */
  listen() {
    const attempt = this.#attempt;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const seconds = Math.round(this.silenceTimeout / 1000);
      attempt.abort(new Failure("silent", `No data was received for ${seconds} s.`));
    }, this.silenceTimeout);
  }

  /** Stops the silence timer. */
  unlisten() {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  /**
   * Dispatches one event and moves the cursor after it.
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
   * Dispatches a batch's events and takes over its cursor. An empty batch can advance it too.
   *
   * @param {Batch} batch
   */
  deliverBatch({ cursor, events }) {
    this.received();
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

  /** Dispatches `error`, without a change of state. @param {Interruption} detail */
  report(detail) {
    this.dispatchEvent(new CustomEvent("error", { detail }));
  }

  /**
   * Sets `readyState` to CONNECTING and dispatches `error`.
   *
   * @param {Failure} failure
   * @param {number | null} retryIn
   */
  interrupted({ code, message, status }, retryIn) {
    if (this.#readyState === CLOSED) return;
    this.#readyState = CONNECTING;
    this.report({ code, reason: message, status, retryIn });
  }

  /**
   * Resolves after `delay`, or at once when the source is closed or the page comes back.
   *
   * @param {number} delay
   */
  async pause(delay) {
    if (this.#closing.signal.aborted) return;
    this.#isPausing = true;
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const timer = delay < Infinity ? setTimeout(resolve, delay) : undefined;
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#isPausing = false;
  }

  // -----------------------------------------------------------------------------------------

  #followPage() {
    const { signal } = this.#closing;
    const on = (
      /** @type {EventTarget | undefined} */ target,
      /** @type {string} */ type,
      /** @type {() => void} */ listener,
    ) => target?.addEventListener?.(type, listener, { signal });
    const { document } = globalThis; // a worker has none
    on(globalThis, "pagehide", () => {
      this.#isHidden = true;
      this.#interrupt("hidden", "The page was left.");
    });
    on(globalThis, "pageshow", () => {
      if (!this.#isHidden) return;
      this.#isHidden = false;
      this.#endPause();
    });
    on(globalThis, "online", () => this.#interrupt("lost", "The network has changed."));
    on(document, "visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      const silence = Date.now() - this.#receivedAt;
      // Half of the timeout is longer than a heartbeat interval, and than the wait of a long poll.
      if (this.#isPausing) this.#endPause();
      else if (silence > this.silenceTimeout / 2) this.#interrupt("silent", "The device was asleep.");
    });
  }

  /** Ends a pause, or else the attempt, so that the next one follows at once. */
  #interrupt(/** @type {string} */ code, /** @type {string} */ reason) {
    if (!this.#isPausing || this.#isHidden) {
      this.#attempt.abort(new Failure(code, reason, { isOfPage: true }));
    }
    this.#endPause();
  }

  async #run() {
    for (;;) {
      while (this.#isHidden && this.#readyState !== CLOSED) await this.pause(Infinity);
      if (this.#readyState === CLOSED) return;
      const attempt = (this.#attempt = new AbortController());
      this.#receivedAt = Date.now();
      let failure = null;
      try {
        await this.receive(attempt.signal);
      } catch (error) {
        failure = Failure.from(attempt.signal.aborted ? attempt.signal.reason : error);
      }
      this.unlisten();
      attempt.abort(); // a pending response
      if (failure) await this.#recover(failure);
    }
  }

  /** Reports a failure; waits for the next attempt, or closes the source if the failure is final. */
  async #recover(/** @type {Failure} */ failure) {
    const { code, message, status, retryAfter, final, isOfPage } = failure;
    if (this.#readyState === CLOSED) return;
    if (final) {
      this.close();
      return this.report({ code, reason: message, status, retryIn: null });
    }
    const delay = isOfPage ? 0 : this.#backOff(failure);
    this.interrupted(failure, code === "hidden" ? null : delay);
    // The page may end the pause early, but not before the server's Retry-After.
    const until = Date.now() + retryAfter;
    await this.pause(delay);
    while (Date.now() < until && this.#readyState !== CLOSED) await this.pause(until - Date.now());
  }

  /**
   * Returns an exponential, bounded delay with full jitter, so that clients that lost their
   * connection together reconnect at different times; never less than the server's Retry-After.
   *
   * @param {Failure} failure
   */
  #backOff({ retryAfter }) {
    const ceiling = Math.min(FIRST_DELAY * 2 ** this.#failures++, LONGEST_DELAY);
    return retryAfter + Math.random() * ceiling;
  }
}
