import assert from "node:assert/strict";
import { test } from "node:test";

import { toColumns } from "/static/realtime_demo/lanes/columns.js";
import { Timeline, NEVER } from "/static/realtime_demo/lanes/timeline.js";
import { Deliveries } from "/static/realtime_demo/sources/deliveries.js";

const COLUMNS = 100; // of ten milliseconds each
const event = (seq, type = "message") => ({ id: `a-${seq}`, type });
const running = (tracks = 1) => {
  const timeline = new Timeline(tracks);
  for (const track of timeline.tracks) Object.assign(track, { since: 0, isRunning: true });
  return timeline;
};
const columnsOf = (timeline) => {
  const rows = timeline.tracks.map(() => ({ receiver: { deliveries: new Deliveries() } }));
  return toColumns(timeline, rows, COLUMNS, (time) => Math.floor(time / 10), 0);
};

test("an event is one occurrence on all tracks", () => {
  const timeline = running(2);
  const [first, second] = timeline.tracks;
  assert.ok(timeline.arrive(second, event(1), 120, 100).isNew);
  const { occurrence, isNew } = timeline.arrive(first, event(1), 150, 100);
  assert.ok(!isNew);
  assert.deepEqual([...occurrence.arrivals], [150, 120]);
  assert.deepEqual(first.duplicates, []);
  timeline.arrive(first, event(1), 160, 100);
  assert.deepEqual(first.duplicates, [160]);
});

test("occurrences are in the order of publication", () => {
  const timeline = running();
  for (const [seq, published] of [[1, 100], [3, 300], [2, 200]]) {
    timeline.arrive(timeline.tracks[0], event(seq), 400, published);
  }
  assert.deepEqual(timeline.occurrences.map(({ seq }) => seq), [1, 2, 3]);
  assert.equal(timeline.latest.seq, 3);
});

test("an event skipped by a reset never arrives", () => {
  const timeline = running(2);
  timeline.arrive(timeline.tracks[0], event(1), 120, 100);
  timeline.reset(timeline.tracks[1]);
  assert.deepEqual([...timeline.latest.arrivals], [120, NEVER]);
  assert.deepEqual(columnsOf(timeline).lanes[1].lost, [10]);
});

test("requests are counted once their events have arrived", () => {
  const timeline = running();
  const [track] = timeline.tracks;
  const poll = (at, ...seqs) => {
    const exchange = track.begin(at);
    track.finish(exchange, at + 5, true);
    for (const seq of seqs) timeline.arrive(track, event(seq), at + 5, at);
  };
  poll(10, 1);
  poll(20);
  poll(30);
  track.begin(40);
  assert.deepEqual([track.requests, track.open, track.emptyShare], [4, 1, 2 / 3]);
  track.resetCounts();
  assert.deepEqual([track.requests, track.open], [1, 1]);
  assert.ok(Number.isNaN(track.emptyShare));
});

test("an event is on its way from its publication to its arrival", () => {
  const timeline = running(2);
  timeline.arrive(timeline.tracks[0], event(1), 300, 200);
  const { published, lanes } = columnsOf(timeline);
  assert.equal(published[20], 2);
  assert.equal(lanes[0].ticks[30], 1);
  assert.deepEqual([lanes[0].waitingChanges[20], lanes[0].waitingChanges[30]], [1, -1]);
  assert.deepEqual([lanes[1].waitingChanges[20], lanes[1].waitingChanges[COLUMNS]], [1, -1], "not arrived yet");
});

test("an event from before the track started is not on its way", () => {
  const timeline = running();
  timeline.tracks[0].since = 250;
  timeline.arrive(timeline.tracks[0], event(1), 300, 200);
  const [{ ticks, waitingChanges }] = columnsOf(timeline).lanes;
  assert.equal(ticks[30], 2);
  assert.ok(waitingChanges.every((change) => change === 0));
});

test("a column prefers an announcement, then a message, to a join", () => {
  const timeline = running();
  for (const [seq, type] of [[1, "join"], [2, "message"], [3, "announcement"], [4, "message"]]) {
    timeline.arrive(timeline.tracks[0], event(seq, type), 300, 200);
  }
  assert.equal(columnsOf(timeline).published[20], 3);
});

test("the timeline is bounded by age and by number", () => {
  const timeline = running();
  for (let seq = 1; seq <= 10_300; seq += 1) {
    timeline.tracks[0].finish(timeline.tracks[0].begin(seq), seq, true);
    timeline.arrive(timeline.tracks[0], event(seq), seq, seq);
  }
  assert.equal(timeline.occurrences.length, 10_000);
  assert.equal(timeline.tracks[0].exchanges.length, 10_000);
  const slow = running();
  for (let seq = 1; seq <= 1_000; seq += 1) slow.arrive(slow.tracks[0], event(seq), seq * 1000, seq * 1000);
  assert.ok(slow.occurrences.length <= 75 + 201);
});
