/**
 * Times of a source's requests: when each began, when its response began and ended. Requests by
 * fetch are observed through the source's `fetch` option; EventSource and WebSocket show only when
 * they open and break.
 */
import { now } from "../lib/clock.js";

const OPEN = 1;

export class Observer {
  #track;
  #hasFetched = false;
  /** When the browser began to connect; 0: unknown. */
  #startedAt = 0;

  /** @param {import("../lanes/timeline.js").Track} track to record the requests on */
  constructor(track) {
    this.#track = track;
  }

  /** For a source's options. @type {typeof globalThis.fetch} */
  fetch = async (input, init) => {
    const track = this.#track;
    const isHead = init?.method === "HEAD"; // before the connection of an EventSource
    this.#hasFetched = !isHead;
    const exchange = track.begin(now());
    let response;
    try {
      response = await fetch(input, init);
    } catch (error) {
      track.finish(exchange, now());
      throw error;
    }
    exchange.head = now();
    if (isHead) this.#startedAt = now();
    const ended = (answered) => track.finish(exchange, now(), answered);
    if (!response.body || isHead) {
      ended(true);
      return response;
    }
    const watched = new TransformStream({ flush: () => ended(true) });
    response.body.pipeTo(watched.writable).catch(() => ended(false)); // broken off, or cancelled
    return new Response(watched.readable, response);
  };

  /** @param {EventTarget & { readyState: number }} source just created */
  watch(source) {
    const track = this.#track;
    this.#startedAt = now();
    let connection = null;
    source.addEventListener("open", () => {
      if (this.#hasFetched) {
        // Open before its response is complete: it is a stream.
        track.isStream = Number.isNaN(track.exchanges.at(-1)?.end);
        return;
      }
      track.isStream = true;
      // The browser does not report when it began to reconnect: not before the announced time.
      connection = track.begin(this.#startedAt || now());
      connection.head = now();
    });
    source.addEventListener("error", (/** @type {any} */ { detail }) => {
      if (source.readyState === OPEN) return;
      if (connection) track.finish(connection, now());
      this.#hasFetched = false;
      this.#startedAt = detail.retryIn === null ? 0 : now() + detail.retryIn;
    });
  }
}
