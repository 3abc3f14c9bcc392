import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LongPollingSource } from "/static/longpoll/source.js";
import { PollingSource } from "/static/polling/source.js";
import { StreamingSource } from "/static/streaming/source.js";
import { WebSocketSource } from "/static/websocket/source.js";

/** The browser's sources, against the golden streams of conformance/clients. `EventSource` is the
 * browser's own. */
const SOURCES = {
  polling: PollingSource,
  longpoll: LongPollingSource,
  streaming: StreamingSource,
  websocket: WebSocketSource,
};
const FILES = ["batches", "lines", "messages"];
const BOUND = 20_000; // milliseconds

/** Plays the exchanges of a case, and checks the requests. */
class Player {
  faults = [];
  #exchanges;

  constructor(exchanges) {
    this.#exchanges = [...exchanges];
  }

  get left() {
    return this.#exchanges.length;
  }

  /** The next exchange; undefined after the last one. @param {URL} url */
  next(url) {
    const exchange = this.#exchanges.shift();
    for (const [name, value] of Object.entries(exchange?.request.query ?? {})) {
      const sent = url.searchParams.get(name);
      if (sent !== value) this.faults.push(`${name}: ${value} !== ${sent}`);
    }
    return exchange;
  }

  fetch = async (url, { signal }) => {
    signal.throwIfAborted();
    const exchange = this.next(url);
    const aborted = new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)),
    );
    aborted.catch(() => {});
    if (!exchange) return aborted;
    const { status, headers, body, split, end } = exchange;
    const bytes = new TextEncoder().encode(body);
    const parts = split ? Array.from(bytes, (byte) => Uint8Array.of(byte)) : [bytes];
    const stream = new ReadableStream({
      async pull(controller) {
        const part = parts.shift();
        if (part) return controller.enqueue(part);
        if (end === "complete") return controller.close();
        await (end === "open" ? aborted : Promise.reject(new TypeError("The connection was lost.")));
      },
    });
    return new Response(stream, { status, headers });
  };

  /** A class that stands for the browser's WebSocket. */
  get WebSocket() {
    const player = this;
    return class extends EventTarget {
      static OPEN = 1;
      readyState = 0;

      constructor(url) {
        super();
        setTimeout(() => this.#play(player.next(url)));
      }

      #play(exchange) {
        if (!exchange) return;
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
        for (const data of exchange.messages) {
          this.dispatchEvent(new MessageEvent("message", { data }));
        }
        const code = exchange.close ?? (exchange.end === "cut" ? 1006 : 0);
        const reason = exchange.close ? "A reason." : "";
        if (code) this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
      }

      close() {
        this.readyState = 3;
      }
    };
  }
}

for (const file of FILES) {
  const path = new URL(`../../conformance/clients/${file}.json`, import.meta.url);
  const { techniques, room, cases } = JSON.parse(readFileSync(path, "utf8"));
  for (const technique of techniques.filter((name) => name in SOURCES)) {
    for (const { name, since, exchanges, events, rejected } of cases) {
      test(`${technique}: ${name}`, async (context) => {
        context.mock.method(Math, "random", () => 0);
        const player = new Player(exchanges);
        globalThis.WebSocket = player.WebSocket;
        const options = { since: since ?? "", fetch: player.fetch, interval: 1 };
        const source = new SOURCES[technique](`http://test/${technique}/${room}/`, options);
        const received = [];
        let status = null;
        source.addEventListener("message", ({ data, lastEventId }) => {
          received.push({ id: lastEventId, text: JSON.parse(data).text });
        });
        source.addEventListener("error", ({ detail }) => {
          if (source.readyState === 2) status = detail.status;
        });
        const isDone = () =>
          rejected ? status : !player.left && received.length >= events.length;
        const deadline = Date.now() + BOUND;
        while (!isDone() && Date.now() < deadline) await new Promise((done) => setTimeout(done, 2));
        source.close();
        assert.deepEqual(received, events);
        assert.deepEqual(player.faults, []);
        assert.equal(player.left, 0);
        if (rejected) assert.equal(status % 4000, rejected); // a close code is 4000 + the status
      });
    }
  }
}
