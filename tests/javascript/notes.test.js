import assert from "node:assert/strict";
import { test } from "node:test";

import { placeNotes } from "/static/realtime_demo/lanes/notes.js";

const SPACE = { starts: [0, 0], width: 600, widthOf: (text) => 6 * text.length };
const place = (notes, space = SPACE) =>
  placeNotes(notes.map(([x, text]) => ({ x, text })), space);

test("distant notes are in the first row, right of their lines", () => {
  const placed = place([[10, "Stalled"], [100, "gzip on"]]);
  assert.deepEqual(placed.map(({ row, left }) => [row, left]), [[0, 15], [0, 105]]);
});

test("a note that would cover another is in the second row", () => {
  assert.deepEqual(place([[10, "Stalled"], [30, "gzip on"]]).map(({ row }) => row), [0, 1]);
});

test("a note without space in any row is appended to the note before it", () => {
  const notes = [[10, "Stalled"], [20, "gzip on"], [32, "Burst of 30"], [33, "Feed on"]];
  const placed = place(notes);
  assert.deepEqual(placed.map(({ text }) => text), ["Stalled", "gzip on · Burst of 30 · Feed on"]);
});

test("notes neither overlap nor leave the picture", () => {
  const notes = Array.from({ length: 60 }, (_, index) => [index * 10, `note ${index}`]);
  const placed = place(notes);
  assert.equal(placed.flatMap(({ text }) => text.split(" · ")).length, 60);
  for (const row of [0, 1]) {
    const inRow = placed.filter((note) => note.row === row);
    inRow.slice(1).forEach(({ left }, index) => assert.ok(inRow[index].right < left));
  }
  assert.ok(place(notes.slice(-1)).every(({ left, right }) => left >= 0 && right <= 600));
});

test("notes near the right edge stay in the picture", () => {
  const notes = [[430, "gzip on"], [445, "Stalled"], [500, "gzip off"], [520, "Buffering off"]];
  const placed = place(notes);
  assert.deepEqual(
    placed.map(({ text }) => text),
    ["Stalled", "gzip on · gzip off · Buffering off"],
  );
  assert.ok(placed.every(({ left, right }) => left >= 0 && right <= 600), JSON.stringify(placed));
});

test("the reserved start of a row holds no note", () => {
  const placed = place([[10, "Stalled"]], { ...SPACE, starts: [80, 0] });
  assert.equal(placed[0].row, 1);
});
