/** The places of the notes above the lanes. */

const GAP = 8; // pixels between two notes in a row
const OFFSET = 5; // pixels from a note's line to its text
const SAME = 3; // notes as near as this share a line
const SEPARATOR = " · ";

/**
 * @typedef {object} PlacedNote
 * @property {number} x of its line
 * @property {string} text
 * @property {number} left of its text
 * @property {number} right
 * @property {number} row
 */

/**
 * Places notes in rows, so that none covers another. A note for which no row has space is appended
 * to the note before it, as are notes on nearly the same line.
 *
 * @param {{ x: number, text: string }[]} notes by time
 * @param {object} space
 * @param {number[]} space.starts the first free x of each row
 * @param {number} space.width
 * @param {(text: string) => number} space.widthOf returns the width
 * @returns {PlacedNote[]}
 */
export function placeNotes(notes, { starts, width, widthOf }) {
  /** @type {PlacedNote[]} */
  const placed = [];
  const free = [...starts];
  /** The note in the first row that has space for it. */
  const place = ({ x, text }, rows) => {
    const size = widthOf(text);
    const left = Math.max(0, x + OFFSET + size > width ? Math.min(x - OFFSET, width) - size : x + OFFSET);
    const row = rows.findIndex((start) => start <= left);
    return row < 0 ? null : { x, text, left, right: left + size, row };
  };
  /** The note with the text appended; with the note before it too, if it would leave the picture. */
  const append = (last, appended) => {
    placed.splice(placed.indexOf(last), 1);
    const text = last.text + SEPARATOR + appended;
    const size = widthOf(text);
    const before = placed.findLast(({ row }) => row === last.row);
    const start = before ? before.right + GAP : starts[last.row];
    if (before && start + size > width) return append(before, text);
    const left = Math.max(Math.min(last.left, width - size), start);
    return { ...last, text, left, right: left + size };
  };
  for (const note of notes) {
    const last = placed.at(-1);
    let next = last && note.x - last.x <= SAME ? null : place(note, free);
    if (!next && last) next = append(last, note.text);
    if (!next) continue;
    placed.push(next);
    free[next.row] = next.right + GAP;
  }
  return placed;
}
