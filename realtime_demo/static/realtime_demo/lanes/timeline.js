/**
 * The events and requests by time, from which lanes, table and inspector are drawn. Times are this
 * browser's Unix milliseconds (clock.js). Everything is bounded by age and by number.
 *
 * @typedef {object} Occurrence an event of the room
 * @property {string} id
 * @property {number} seq
 * @property {string} epoch
 * @property {object} event as it was sent
 * @property {number} published corrected to this browser's clock
 * @property {Float64Array} arrivals one for each track; NaN: not yet, NEVER: skipped by a reset
 * @property {number} live bits: the tracks that had requested it before it was published
 *
 * @typedef {object} Exchange a request, or a connection that stays open
 * @property {number} start
 * @property {number} head when its response began; NaN: it has not
 * @property {number} end NaN: it has not
 * @property {number} count events it brought
 * @property {boolean} answered its response is complete
 */

export const NEVER = -1;
const MAX_AGE = 75_000; // milliseconds: more than the longest window
const MAX_ITEMS = 10_000; // occurrences, and exchanges of a track
const MAX_MARKS = 500;

/** Removes stale items from the head, in batches. */
function prune(list, isStale, max) {
  let stale = Math.max(0, list.length - max);
  while (stale < list.length && isStale(list[stale])) stale += 1;
  if (stale > 200 || list.length > max) return list.splice(0, stale);
  return [];
}

/** The key of an event: a reset has the id of the event before it. */
const keyOf = ({ type, id }) => (type === "reset" ? `reset ${id}` : id);

const pushBounded = (list, item) => {
  list.push(item);
  if (list.length > MAX_MARKS) list.shift();
};

/** The requests and faults of one technique. */
export class Track {
  /** @type {Exchange[]} */
  exchanges = [];
  /** Times of broken connections; times of duplicates. @type {number[]} */
  cuts = [];
  duplicates = [];
  isRunning = false;
  /** Whether its responses do not end. */
  isStream = false;
  /** When it started: earlier events do not count as live. */
  since = Infinity;
  requests = 0;
  answered = 0;
  empty = 0;

  /** @param {Timeline} timeline @param {number} index */
  constructor(timeline, index) {
    this.timeline = timeline;
    this.index = index;
    this.bit = 1 << index;
  }

  /** Begins a request. @param {number} at @returns {Exchange} */
  begin(at) {
    this.#countLast();
    const exchange = { start: at, head: NaN, end: NaN, count: 0, answered: false };
    this.exchanges.push(exchange);
    this.requests += 1;
    prune(this.exchanges, ({ end }) => end < at - this.timeline.maxAge, MAX_ITEMS);
    return exchange;
  }

  /** Ends a request; `answered`: its response is complete. */
  finish(exchange, at, answered = false) {
    if (!Number.isNaN(exchange.end)) return;
    exchange.end = at;
    exchange.answered = answered;
  }

  cut(at) {
    pushBounded(this.cuts, at);
  }

  /** The number of requests without a complete response. */
  get open() {
    return this.exchanges.slice(-8).filter(({ end }) => Number.isNaN(end)).length;
  }

  /** The share of completed requests whose response had no events: 0 to 1; NaN without requests. */
  get emptyShare() {
    return this.isStream ? NaN : this.empty / this.answered;
  }

  /** Counts a request when the next one begins: the request's events arrive after its last byte. */
  #countLast() {
    const last = this.exchanges.at(-1);
    if (!last?.answered) return;
    this.answered += 1;
    if (!last.count) this.empty += 1;
  }

  resetCounts() {
    Object.assign(this, { requests: this.open, answered: 0, empty: 0 });
  }
}

export class Timeline {
  /** By time of publication. @type {Occurrence[]} */
  occurrences = [];
  /** Notes above the lanes: the reader's actions. @type {{ at: number, text: string }[]} */
  notes = [];
  /** Periods in which the page was hidden: from, to. @type {[number, number][]} */
  hidden = [];
  /** Milliseconds after which items may be removed. */
  maxAge = MAX_AGE;
  #byId = new Map();

  /** @param {number} tracks number of techniques */
  constructor(tracks) {
    this.tracks = Array.from({ length: tracks }, (_, index) => new Track(this, index));
  }

  /** The newest event of all tracks. */
  get latest() {
    return this.occurrences.at(-1);
  }

  /**
   * Records that an event has arrived on a track. Returns its occurrence, and whether it is the
   * first track to deliver it.
   *
   * @param {Track} track
   */
  arrive(track, event, at, published) {
    const exchange = track.exchanges.at(-1);
    if (exchange) exchange.count += 1;
    const existing = this.#byId.get(keyOf(event));
    const occurrence = existing ?? this.#add(event, published);
    if (occurrence.arrivals[track.index] > 0) pushBounded(track.duplicates, at);
    else occurrence.arrivals[track.index] = at;
    if (published >= track.since) occurrence.live |= track.bit;
    return { occurrence, isNew: !existing };
  }

  /** Marks the events that a track misses because of a reset. @param {Track} track */
  reset(track) {
    for (const { arrivals } of this.occurrences) {
      if (Number.isNaN(arrivals[track.index])) arrivals[track.index] = NEVER;
    }
  }

  /** Removes everything. */
  clear() {
    Object.assign(this, { occurrences: [], notes: [], hidden: [] });
    this.#byId.clear();
    for (const track of this.tracks) Object.assign(track, new Track(this, track.index));
  }

  note(at, text) {
    pushBounded(this.notes, { at, text });
  }

  /** @param {boolean} isHidden */
  hide(isHidden, at) {
    if (isHidden) pushBounded(this.hidden, [at, Infinity]);
    else if (this.hidden.at(-1)?.[1] === Infinity) this.hidden.at(-1)[1] = at;
  }

  /** Whether the page has been visible since then. @param {number} time */
  isVisibleSince(time) {
    return time >= (this.hidden.at(-1)?.[1] ?? 0);
  }

  /** For how long the page was hidden between two times: milliseconds. */
  hiddenBetween(start, end) {
    return this.hidden.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)), 0);
  }

  #add(event, published) {
    const [epoch, seq] = event.id.split("-");
    const arrivals = new Float64Array(this.tracks.length).fill(NaN);
    const occurrence = { id: keyOf(event), epoch, seq: Number(seq), event, published, arrivals, live: 0 };
    const list = this.occurrences;
    let index = list.length;
    while (index && list[index - 1].published > published) index -= 1;
    list.splice(index, 0, occurrence);
    this.#byId.set(occurrence.id, occurrence);
    const stale = (published > 0 ? Math.max(published, list.at(-1).published) : 0) - this.maxAge;
    for (const { id } of prune(list, (item) => item.published < stale, MAX_ITEMS)) this.#byId.delete(id);
    return occurrence;
  }
}
