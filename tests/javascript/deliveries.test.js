import assert from "node:assert/strict";
import { test } from "node:test";

import { Deliveries, ranges } from "/static/realtime_demo/sources/deliveries.js";

const deliveriesOf = (events) => {
  const deliveries = new Deliveries();
  for (const [id, type = "message", missed] of events) deliveries.record({ id, type, missed });
  return deliveries;
};
const counts = (events) => {
  const deliveries = deliveriesOf(events);
  const { received, lost, duplicated, outOfOrder, missed } = deliveries;
  return { sent: deliveries.sent(), received, lost, duplicated, outOfOrder, missed };
};
const NONE = { lost: 0, duplicated: 0, outOfOrder: 0, missed: 0 };

test("a feed begins at any number", () => {
  assert.deepEqual(counts([["a-7"], ["a-8"]]), { ...NONE, sent: 2, received: 2 });
});

test("a reset states how many events were missed, and starts over", () => {
  assert.deepEqual(counts([["a-7"], ["a-9", "reset", 2], ["a-10"]]), { ...NONE, sent: 4, received: 2, missed: 2 });
  assert.deepEqual(counts([["a-7"], ["b-0", "reset", null], ["b-1"]]), {
    ...NONE, sent: 2, received: 2, missed: null,
  });
});

test("the first event of an empty room extends its epoch", () => {
  const before = [["a-7"], ["b-0", "reset", null]];
  assert.deepEqual(counts([...before, ["bc-1"]]), { ...NONE, sent: 2, received: 2, missed: null });
  assert.deepEqual(counts([...before, ["bc-2"]]), { ...NONE, sent: 3, received: 2, lost: 1, missed: null });
});

test("a loss before a reset stays a loss", () => {
  assert.deepEqual(counts([["a-7"], ["a-9"], ["b-0", "reset", 1]]), {
    ...NONE, sent: 4, received: 2, lost: 1, missed: 1,
  });
});

test("a new epoch without a reset is a loss", () => {
  assert.deepEqual(counts([["a-7"], ["b-1"]]), { ...NONE, sent: 2, received: 2, lost: 1 });
});

test("a late event is out of order, a repeated one duplicated", () => {
  const events = [1, 5, 3, 3, 2, 4].map((seq) => [`a-${seq}`]);
  assert.deepEqual(counts(events), { ...NONE, sent: 5, received: 6, duplicated: 1, outOfOrder: 3 });
});

test("missing events have their numbers", () => {
  const deliveries = deliveriesOf([["a-1"], ["a-5"], ["a-3"], ["a-9"]]);
  assert.deepEqual(deliveries.missing, [[2, 2], [4, 4], [6, 8]]);
  assert.equal(ranges(deliveries.missing), "2, 4, 6–8");
  assert.ok(deliveries.misses({ epoch: "a", seq: 7 }));
  assert.ok(!deliveries.misses({ epoch: "a", seq: 3 }));
  assert.ok(!deliveries.misses({ epoch: "b", seq: 7 }));
  assert.ok(!deliveries.isComplete);
  assert.equal(deliveries.sent({ epoch: "a", seq: 12 }), 12, "another lane has newer events");
  assert.equal(deliveries.sent({ epoch: "b", seq: 12 }), 9);
});
