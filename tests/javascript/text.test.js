import assert from "node:assert/strict";
import { test } from "node:test";

import { sentence } from "/static/realtime_demo/lib/event-text.js";
import { problemText } from "/static/realtime_demo/lib/problem-text.js";
import { bytes, duration, format, percent } from "/static/realtime_demo/lib/text.js";

const setLanguage = (lang) => {
  globalThis.document = { documentElement: { lang } };
};

test("placeholders become values, and stay without one", () => {
  assert.equal(format("{count} of {all.events}, {what}", { count: 0, "all.events": 3 }), "0 of 3, {what}");
});

test("a duration has its significant digits", () => {
  for (const [milliseconds, text] of [
    [NaN, "–"],
    [0.04, "0.0\u00a0ms"],
    [9.94, "9.9\u00a0ms"],
    [9.95, "10\u00a0ms"],
    [999.4, "999\u00a0ms"],
    [999.5, "1.00\u00a0s"],
    [59_949, "59.95\u00a0s"],
    [3_600_000, "60.0\u00a0min"],
  ]) assert.equal(duration(milliseconds), text);
});

test("bytes have two or three digits", () => {
  for (const [count, text] of [
    [NaN, "–"],
    [999, "999\u00a0B"],
    [1_000, "1.0\u00a0kB"],
    [99_600, "100\u00a0kB"],
    [999_500, "1.0\u00a0MB"],
  ]) assert.equal(bytes(count), text);
});

test("a share is a percentage", () => {
  assert.deepEqual([percent(0.904), percent(NaN)], ["90\u00a0%", "–"]);
});

test("events have a sentence by type; an unknown type is named", () => {
  assert.equal(sentence({ type: "message", sender: "ada", text: "hello" }), "ada: hello");
  assert.equal(sentence({ type: "join", sender: "ada" }), "ada joined");
  assert.equal(sentence({ type: "wink", sender: "ada" }), "ada: wink");
  assert.match(sentence({ type: "reset", missed: 3 }), /^3 events missed: /);
  assert.match(sentence({ type: "reset", missed: 1 }), /^1 event missed: /);
  assert.match(sentence({ type: "reset", missed: null }), /^Events missed, number unknown: /);
});

test("a known code has a text of its own, with the limits", () => {
  setLanguage("ko");
  const problem = { code: "text", status: 400, detail: "'text' is too long." };
  assert.equal(problemText(problem, { text: 2000 }), "The text must have 1 to 2000 characters.");
});

test("a detail is shown in English, or if there is no other text", () => {
  const problem = { code: "forbidden", status: 403, detail: "Not for you." };
  setLanguage("en");
  assert.equal(problemText(problem), "Not for you.");
  setLanguage("ko");
  assert.equal(problemText(problem), "This is not allowed here.");
  assert.equal(problemText({ ...problem, status: 4403 }), "This is not allowed here.", "a close code");
  assert.equal(problemText({ status: 418, detail: "Short and stout." }), "Short and stout.");
  assert.equal(problemText({ status: 418 }), "The server rejected it with status 418.");
});
