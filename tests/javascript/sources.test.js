import assert from "node:assert/strict";
import { test } from "node:test";

import { PollingSource } from "/static/polling/source.js";
import { lines } from "/static/streaming/source.js";
import { Failure, parse } from "/static/transports/failure.js";

/** The lines of a response that arrives in these pieces. */
async function linesOf(...pieces) {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const read = [];
  let notifications = 0;
  for await (const line of lines(body, () => (notifications += 1))) read.push(line);
  assert.equal(notifications, pieces.length, "each piece resets the silence timer");
  return read;
}

test("lines are complete in any chunks; only a line feed ends one", async () => {
  const text = "ascii\n\n한국어 👋🏽\nline\u2028separator\u2029\x00\r\ntail";
  const complete = text.split("\n").slice(0, -1); // the incomplete last line is discarded
  const bytes = new TextEncoder().encode(text);
  assert.deepEqual(await linesOf(...Array.from(bytes, (byte) => Uint8Array.of(byte))), complete);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.deepEqual(await linesOf(bytes.subarray(0, cut), bytes.subarray(cut)), complete);
  }
});

test("a source uses the `fetch` of its options", async () => {
  const requests = [];
  const batch = { room: "r", cursor: "e-1", events: [{ id: "e-1" }] };
  const fetch = async (url, init) => {
    requests.push([url.pathname, init.cache]);
    return Response.json(batch);
  };
  const source = new PollingSource("http://test/feed/", { fetch });
  const states = [];
  source.addEventListener("open", () => states.push(source.readyState));
  const { data, lastEventId, origin } = await new Promise((done) => source.addEventListener("message", done));
  source.close();
  assert.deepEqual(states, [1], "open before the first message");
  assert.deepEqual([JSON.parse(data), lastEventId, source.since], [{ id: "e-1" }, "e-1", "e-1"]);
  assert.equal(origin, "http://test");
  assert.deepEqual(requests, [["/feed/", "no-store"]]);
});

test("a failure has the detail, and is final or temporary", async () => {
  const headers = { "Content-Type": "application/problem+json", "Retry-After": "2" };
  const problem = (status) => new Response('{"detail": "Because."}', { status, headers });
  const { code, message, final } = await Failure.of(problem(404));
  assert.deepEqual([code, message, final], ["refused", "Because.", true]);
  for (const status of [408, 425, 429, 500, 503]) {
    const failure = await Failure.of(problem(status));
    assert.deepEqual([failure.code, failure.final, failure.retryAfter], ["unavailable", false, 2_000]);
  }
});

test("Retry-After is seconds or a date, and bounded", async () => {
  const of = async (value) =>
    (await Failure.of(new Response("", { status: 503, headers: { "Retry-After": value } }))).retryAfter;
  assert.equal(await of("86400"), 300_000);
  assert.equal(await of("soon"), 0);
  assert.equal(await of(new Date(0).toUTCString()), 0);
  const inAMinute = await of(new Date(Date.now() + 60_000).toUTCString());
  assert.ok(inAMinute > 50_000 && inAMinute <= 60_000);
});

test("malformed JSON is a failure", () => {
  assert.deepEqual(parse('{"id": 1}'), { id: 1 });
  assert.throws(() => parse("<p>Log in"), { code: "malformed" });
});

/** A source that follows a page of its own, and the requests that it has sent. */
async function onAPage(respond, run) {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const globals = { document, addEventListener: page.addEventListener.bind(page) };
  Object.assign(globalThis, globals);
  const requests = [];
  const fetch = (url, { signal }) => {
    requests.push(url.searchParams.get("since"));
    return respond(requests.length, signal);
  };
  const source = new PollingSource("http://test/feed/", { since: "e-0", fetch, interval: 3_600_000 });
  const errors = [];
  source.addEventListener("error", ({ detail }) => errors.push([detail.code, detail.retryIn]));
  try {
    await run({ source, requests, errors, page, document });
  } finally {
    source.close();
    for (const name of Object.keys(globals)) delete globalThis[name];
  }
}

const batchAfter = (number) => Response.json({ room: "r", cursor: `e-${number}`, events: [] });
const aTask = () => new Promise((done) => setTimeout(done));
const opened = (source) =>
  new Promise((done) => source.addEventListener("open", done, { once: true })).then(aTask);
const never = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Waits until `condition()` is true, for at most ten seconds. */
async function until(condition) {
  for (let turn = 0; turn < 1_000 && !condition(); turn += 1) {
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.ok(condition());
}

test("a source ends its request on pagehide, resumes on pageshow", () =>
  onAPage(
    (number, signal) => (number === 1 ? never(signal) : batchAfter(number)),
    async ({ source, requests, errors, page }) => {
      await until(() => requests.length === 1);
      page.dispatchEvent(new Event("pagehide"));
      await until(() => errors.length === 1);
      assert.deepEqual([errors, source.readyState], [[["hidden", null]], 0]);
      page.dispatchEvent(new Event("online")); // a page in the history may not connect
      await new Promise((done) => setTimeout(done, 50));
      assert.equal(requests.length, 1);
      page.dispatchEvent(new Event("pageshow"));
      await opened(source);
      assert.deepEqual(requests, ["e-0", "e-0"]);
    },
  ));

test("a source closed while the page is hidden sends no further request", () =>
  onAPage(
    (number, signal) => never(signal),
    async ({ source, requests, errors, page }) => {
      await until(() => requests.length === 1);
      page.dispatchEvent(new Event("pagehide"));
      await until(() => errors.length === 1);
      await aTask();
      source.close();
      await aTask();
      assert.equal(requests.length, 1);
    },
  ));

test("a pause ends when the network or the page comes back", () =>
  onAPage(
    (number) => batchAfter(number),
    async ({ source, requests, errors, page, document }) => {
      await opened(source); // and now pauses for an hour
      page.dispatchEvent(new Event("online"));
      await until(() => requests.length === 2);
      await aTask();
      document.visibilityState = "hidden";
      document.dispatchEvent(new Event("visibilitychange"));
      document.visibilityState = "visible";
      document.dispatchEvent(new Event("visibilitychange"));
      await until(() => requests.length === 3);
      assert.deepEqual([requests, errors], [["e-0", "e-1", "e-2"], []]);
    },
  ));

test("a connection is replaced at once after the device slept", (context) =>
  onAPage(
    (number, signal) => (number === 1 ? batchAfter(1) : never(signal)),
    async ({ source, requests, errors, page, document }) => {
      await opened(source);
      page.dispatchEvent(new Event("online"));
      await until(() => requests.length === 2);
      document.dispatchEvent(new Event("visibilitychange")); // data has just arrived
      assert.equal(requests.length, 2);
      const wokenAt = Date.now() + source.silenceTimeout;
      context.mock.method(Date, "now", () => wokenAt);
      document.dispatchEvent(new Event("visibilitychange"));
      await until(() => requests.length === 3);
      page.dispatchEvent(new Event("online"));
      await until(() => requests.length === 4);
      assert.deepEqual(errors, [["silent", 0], ["lost", 0]]);
    },
  ));

test("network and page do not shorten the server's Retry-After", () =>
  onAPage(
    (number) =>
      number === 1 ? new Response("", { status: 503, headers: { "Retry-After": "1" } }) : batchAfter(2),
    async ({ requests, errors, page }) => {
      await until(() => errors.length === 1);
      const rejectedAt = performance.now();
      page.dispatchEvent(new Event("online"));
      await until(() => requests.length === 2);
      assert.ok(performance.now() - rejectedAt > 900);
    },
  ));
