import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Changes } from "/static/realtime_demo/chat/changes.js";
import { Session } from "/static/realtime_demo/chat/session.js";
import { Clock, now } from "/static/realtime_demo/lib/clock.js";
import { Settings } from "/static/realtime_demo/lib/settings.js";

test("staff may change all messages, a user only their own", () => {
  const allowed = (permission, ...events) => events.map((event) => new Changes(permission).allows(event));
  const types = ["message", "announcement", "join"].map((type) => ({ type, sender: "ada" }));
  assert.deepEqual(allowed({ name: "eve", isStaff: true }, ...types), [true, true, false]);
  const verified = types.map((event) => ({ ...event, verified: true }));
  assert.deepEqual(allowed({ name: "ada", isStaff: false }, ...verified), [true, false, false]);
  assert.deepEqual(allowed({ name: "ada", isStaff: false }, ...types), [false, false, false]);
  assert.deepEqual(allowed({ name: "", isStaff: false }, { type: "message", sender: "", verified: true }), [false]);
});

test("an event is the user's own only if it is verified", () => {
  const event = { type: "message", sender: "ada" };
  const sender = { value: " ada " };
  const user = new Session({ name: "ada", changes: { name: "ada", isStaff: false } }, null, sender);
  assert.deepEqual([user.isOwn(event), user.isOwn({ ...event, verified: true })], [false, true]);
  const anonymous = new Session({ name: "", changes: { name: "", isStaff: false } }, null, sender);
  assert.deepEqual([anonymous.isOwn(event), anonymous.isOwn({ ...event, verified: true })], [true, false]);
  assert.equal(anonymous.presenceName, "ada");
});

const DEFAULTS = { window: 30, interval: 1000, rate: 1, rtt: 0, jitter: 0, bandwidth: null, lanes: ["sse", "a", "b"], scene: "" };

test("settings are read from the address, within bounds", () => {
  const query = "?window=60&interval=1&rtt=x&bandwidth=&lanes=a,,b&scene=race&no=1";
  const settings = new Settings(DEFAULTS, ["race"], query);
  const values = Object.keys(DEFAULTS).map((name) => settings.get(name));
  assert.deepEqual(values, [60, 50, 1, 0, 0, null, ["a", "b"], "race"]);
  assert.deepEqual([...settings.fromAddress], ["window", "interval", "lanes", "scene"]);
  assert.equal(new Settings(DEFAULTS, [], "?window=11").get("window"), 30);
});

test("invalid parameters are reported with the valid ones", () => {
  const problems = (query) => new Settings(DEFAULTS, ["race", "burst"], query).problems;
  assert.deepEqual(problems("?window=60&rtt=100&lanes=none&scene=race&room=kitchen&lang=ko"), []);
  assert.deepEqual(problems("?lanes=a,sse&scene="), []);
  for (const [query, problem] of [
    ["?scene=bogus", "The address has “scene=bogus”; expected: one of race, burst."],
    ["?window=11", "The address has “window=11”; expected: one of 10, 30, 60."],
    ["?rtt=fast", "The address has “rtt=fast”; expected: a number from 0 to 10000."],
    ["?rtt=10001", "The address has “rtt=10001”; expected: a number from 0 to 10000."],
    ["?lanes=a,c", "The address has “lanes=a,c”; expected: some of sse, a, b, separated by commas, or none."],
    ["?rtts=1", "The address has the unknown parameter “rtts”; expected: room, lang, window, interval, rate, rtt, jitter, bandwidth, lanes, scene."],
  ]) assert.deepEqual(problems(query), [problem]);
});

test("settings other than the defaults are written to the address", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.location = { href: "http://test/?room=lobby&rtt=100", search: "?rtt=100" };
  globalThis.history = { state: null, replaceState: mock.fn() };
  const settings = new Settings(DEFAULTS, []);
  const changes = [];
  settings.addEventListener("change", ({ detail }) => changes.push(detail));
  settings.set({ rtt: 0, rate: 5, lanes: ["a", "b"] });
  settings.set({ rate: 5 }, "demo");
  assert.deepEqual(changes, [{ names: ["rtt", "rate", "lanes"], origin: "reader" }]);
  context.mock.timers.tick(150);
  const [[, , url]] = history.replaceState.mock.calls.map((call) => call.arguments);
  assert.equal(url.search, "?room=lobby&rate=5&lanes=a,b");
});

test("a server's clock that is ahead is corrected", async (context) => {
  const answer = async () => Response.json({ now: (now() + 3_600_000) / 1000 });
  context.mock.method(globalThis, "fetch", answer);
  const clock = new Clock();
  await clock.read("/clock/");
  assert.equal(fetch.mock.callCount(), 10);
  const arrived = now();
  const delay = clock.delay((arrived + 3_600_000 - 250) / 1000, arrived);
  assert.ok(Math.abs(delay - 250) <= clock.uncertainty, `${delay} ± ${clock.uncertainty}`);
});

test("clocks that agree within the uncertainty are not corrected", async (context) => {
  context.mock.method(globalThis, "fetch", async () => Response.json({ now: now() / 1000 }));
  const clock = new Clock();
  await clock.read("/clock/");
  assert.equal(clock.correction, 0);
  context.mock.method(globalThis, "fetch", async () => new Response("", { status: 503 }));
  const { offset, uncertainty } = clock;
  await clock.read("/clock/");
  assert.deepEqual([clock.offset, clock.uncertainty], [offset, uncertainty], "the last estimate stays");
});
