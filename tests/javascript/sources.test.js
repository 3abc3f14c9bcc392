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

test("lines are complete however the bytes are split, and only a line feed ends one", async () => {
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
  const { data, lastEventId } = await new Promise((done) => source.addEventListener("message", done));
  source.close();
  assert.deepEqual([JSON.parse(data), lastEventId, source.since], [{ id: "e-1" }, "e-1", "e-1"]);
  assert.deepEqual(requests, [["/feed/", "no-store"]]);
});

test("a failure has the problem's detail, and is final or temporary", async () => {
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
