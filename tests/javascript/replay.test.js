import assert from "node:assert/strict";
import { test } from "node:test";

import { Timeline } from "/static/realtime_demo/lanes/timeline.js";
import { parseRecording, toRecording } from "/static/realtime_demo/replay/recording.js";
import { Replay } from "/static/realtime_demo/replay/replay.js";
import { Recipient } from "/static/realtime_demo/sources/recipient.js";

const BEGAN = 1_700_000_000_000;
const TECHNIQUES = ["polling", "sse"].map((name) => ({ name, label: name, colour: { dark: "#fff", light: "#000" } }));
const event = (seq, type = "message") => ({ id: `a-${seq}`, type, sender: "ada", text: `${seq}` });

/** A timeline with two lanes: events at 100 and 300 ms, and a cut. */
function live() {
  const timeline = new Timeline(2);
  const [polling, sse] = TECHNIQUES.map((technique, index) => new Recipient(technique, timeline, timeline.tracks[index]));
  const at = (milliseconds) => BEGAN + milliseconds;
  for (const { track } of [polling, sse]) Object.assign(track, { since: at(0), isRunning: true });
  sse.track.isStream = true;
  const stream = sse.track.begin(at(10));
  stream.head = at(20);
  sse.deliver(event(1), at(110), at(100), true);
  sse.track.cut(at(200));
  sse.track.finish(stream, at(200));
  timeline.note(at(200), "All connections cut");
  for (const [start, seq] of [[150, 1], [180, 0], [400, 2], [600, 0]]) {
    const poll = polling.track.begin(at(start));
    poll.head = at(start + 20);
    polling.track.finish(poll, at(start + 30), true);
    if (seq) polling.deliver(event(seq), at(start + 30), at(seq === 1 ? 100 : 300), true);
  }
  sse.track.begin(at(500)).head = at(500);
  sse.deliver(event(2), at(520), at(300), true);
  return { timeline, recipients: [polling, sse] };
}

function recordingOf({ timeline }) {
  const lanes = TECHNIQUES.map((technique) => ({ technique, predicted: null }));
  return toRecording(timeline, lanes, { from: BEGAN, to: BEGAN + 1_000, room: "lobby", settings: { rtt: 20 } });
}

const replayOf = (recording) => {
  const timeline = new Timeline(recording.lanes.length);
  return new Replay(recording, timeline);
};

const state = ({ timeline, recipients }) => ({
  arrivals: timeline.occurrences.map(({ id, published, arrivals, live: bits }) => [id, published, [...arrivals], bits]),
  tracks: timeline.tracks.map(({ exchanges, cuts, requests, emptyShare, isStream }) => ({ exchanges, cuts, requests, emptyShare, isStream })),
  notes: timeline.notes,
  figures: recipients.map(({ delays, deliveries }) => [delays.figures.median, deliveries.received, deliveries.lost]),
});

test("a saved recording shows what the page showed", () => {
  const page = live();
  const recording = parseRecording(JSON.stringify(recordingOf(page)));
  assert.deepEqual(recording.settings, { rtt: 20 });
  const replay = replayOf(recording);
  replay.advance(500);
  replay.advance(1_000);
  assert.equal(replay.position, recording.duration);
  assert.deepEqual(state(replay), state(page));
});

test("a replay has only what had happened by its position", () => {
  const replay = replayOf(recordingOf(live()));
  const received = () => replay.recipients.map(({ deliveries }) => deliveries.received);
  replay.advance(120);
  assert.deepEqual(received(), [0, 1]);
  assert.deepEqual(replay.timeline.notes, []);
  replay.seek(450);
  assert.deepEqual(received(), [2, 1]);
  assert.equal(replay.timeline.tracks[1].cuts.length, 1);
  replay.seek(0);
  assert.deepEqual(received(), [0, 0]);
  assert.equal(replay.timeline.tracks[0].requests, 0);
  assert.equal(replay.time, BEGAN);
});

test("a recording has only its own time", () => {
  const { timeline } = live();
  const lanes = TECHNIQUES.map((technique) => ({ technique, predicted: null }));
  const recording = toRecording(timeline, lanes, { from: BEGAN + 250, to: BEGAN + 410, room: "lobby", settings: {} });
  assert.deepEqual(recording.events.map(({ event: { id }, published }) => [id, published]), [["a-2", 50]]);
  assert.deepEqual(recording.lanes.map(({ deliveries }) => deliveries.length), [0, 0]);
  assert.deepEqual(recording.notes, []);
  assert.deepEqual(recording.lanes[0].requests, [{ start: 150, head: null, end: null, answered: true }]);
});

test("an invalid file is reported with what was expected", () => {
  const recording = recordingOf(live());
  for (const [text, message] of [
    ["{", /: This file is not JSON\./],
    ["null", /neither a recording .*nor the output of compare --json/],
    [JSON.stringify({ ...recording, version: 2 }), /has version 2; expected version 1/],
    [JSON.stringify({ ...recording, events: undefined }), /“events” is missing or invalid/],
    [JSON.stringify({ ...recording, lanes: [{ ...recording.lanes[0], deliveries: [{ event: 9, at: 1 }] }] }), /“lanes” is missing/],
    [JSON.stringify({ configurations: [{ techniques: { sse: { technique: "sse" } } }] }), /figures only.*“samples”/],
  ]) assert.throws(() => parseRecording(text), message);
});

test("the output of compare --json is shown by its deliveries", () => {
  const events = (start) => [0, 1, 10].map((at, number) => ({ number, published: start + at, seq: number + 1 }));
  const samples = (start, delay) => [0, 1, 10].flatMap((at, number) => [[7, number, start + at + delay], [8, number, start + at + 2 * delay]]);
  const techniques = {
    polling: { technique: "polling", events: events(100), samples: samples(100, 0.5) },
    sse: { technique: "sse", events: events(200), samples: samples(200, 0.01) },
  };
  const document = { began: "2026-11-28T10:00:00+00:00", configurations: [{ settings: { rate: 1 }, techniques }] };
  const replay = replayOf(parseRecording(JSON.stringify(document)));
  replay.advance(60_000);
  const [polling, sse] = replay.recipients.map(({ delays }) => Math.round(delays.figures.median));
  assert.deepEqual([polling, sse], [500, 10]);
  const [first, second, third] = replay.timeline.occurrences.map(({ published }) => published);
  assert.equal(second - first, 1_000);
  assert.equal(third - second, 3_000, "a long pause is shortened");
});
