/**
 * The events and requests by time: what lanes, table and inspector are drawn from. Times are this
 * browser's Unix milliseconds (clock.js). Everything is bounded by age and by number.
 *
 * @typedef {object} Occurrence an event of the room
 * @property {string} id
 * @property {number} seq
 * @property {string} epoch
 * @property {object} event as it was sent
 * @property {number} published corrected to this browser's clock
 * @property {Float64Array} arrivals one for each track; NaN: not yet, VOID: never
 * @property {number} live bits: the tracks that had asked for it before it was published
 *
 * @typedef {object} Exchange a request, or a connection that stays open
 * @property {number} start
 * @property {number} head when its response began; NaN: it has not
 * @property {number} end NaN: it has not
 * @property {number} count events it brought
 * @property {boolean} answered it ended by itself
 */

export const VOID = -1;
const KEPT = 75_000; // milliseconds: more than the longest window
const MOST = 10_000; // occurrences, and exchanges of a track
const MOST_MARKS = 500;

/** Removes stale items from the head, in batches. */
function prune(list, isStale, most) {
  let stale = Math.max(0, list.length - most);
  while (stale < list.length && isStale(list[stale])) stale += 1;
  if (stale > 200 || list.length > most) return list.splice(0, stale);
  return [];
}

/** The key of an event: a reset has the id of the event before it. */
const keyOf = ({ type, id }) => (type === "reset" ? `reset ${id}` : id);

const bounded = (list, item) => {
  list.push(item);
  if (list.length > MOST_MARKS) list.shift();
};

/** The requests and faults of one technique. */
export class Track {
  /** @type {Exchange[]} */
  exchanges = [];
  /** When a connection broke; when an event came again. @type {number[]} */
  cuts = [];
  doubles = [];
  isRunning = false;
  /** Whether its responses do not end. */
  isStream = false;
  /** When it started: earlier events do not count as live. */
  since = Infinity;
  requests = 0;
  answered = 0;
  empty = 0;

  constructor(index) {
    this.index = index;
    this.bit = 1 << index;
  }

  /** A request begins. @param {number} at @returns {Exchange} */
  begin(at) {
    this.#settle();
    const exchange = { start: at, head: NaN, end: NaN, count: 0, answered: false };
    this.exchanges.push(exchange);
    this.requests += 1;
    prune(this.exchanges, ({ end }) => end < at - KEPT, MOST);
    return exchange;
  }

  /** Its response is over; `answered` unless it broke off. */
  finish(exchange, at, answered = false) {
    if (!Number.isNaN(exchange.end)) return;
    exchange.end = at;
    exchange.answered = answered;
  }

  cut(at) {
    bounded(this.cuts, at);
  }

  /** Requests being answered, or held, at the moment. */
  get open() {
    return this.exchanges.slice(-8).filter(({ end }) => Number.isNaN(end)).length;
  }

  /** How many of the requests that were answered brought nothing: 0 to 1; NaN without any. */
  get emptyShare() {
    return this.isStream ? NaN : this.empty / this.answered;
  }

  /** Counts the last request once the next begins: its events arrive after its last byte. */
  #settle() {
    const last = this.exchanges.at(-1);
    if (!last?.answered) return;
    this.answered += 1;
    if (!last.count) this.empty += 1;
  }

  forget() {
    Object.assign(this, { requests: this.open, answered: 0, empty: 0 });
  }
}

export class Timeline {
  /** By time of publication. @type {Occurrence[]} */
  occurrences = [];
  /** Flags above the lanes: what the reader did. @type {{ at: number, text: string }[]} */
  notes = [];
  /** While the page was hidden: from, to. @type {[number, number][]} */
  hidden = [];
  #byId = new Map();

  /** @param {number} tracks how many techniques */
  constructor(tracks) {
    this.tracks = Array.from({ length: tracks }, (_, index) => new Track(index));
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
    const known = this.#byId.get(keyOf(event));
    const occurrence = known ?? this.#add(event, published);
    if (occurrence.arrivals[track.index] > 0) bounded(track.doubles, at);
    else occurrence.arrivals[track.index] = at;
    if (published >= track.since) occurrence.live |= track.bit;
    return { occurrence, isNew: !known };
  }

  /** Marks the events that a track misses because of a reset. @param {Track} track */
  reset(track) {
    for (const { arrivals } of this.occurrences) {
      if (Number.isNaN(arrivals[track.index])) arrivals[track.index] = VOID;
    }
  }

  note(at, text) {
    bounded(this.notes, { at, text });
  }

  /** @param {boolean} isHidden */
  hide(isHidden, at) {
    if (isHidden) bounded(this.hidden, [at, Infinity]);
    else if (this.hidden.at(-1)?.[1] === Infinity) this.hidden.at(-1)[1] = at;
  }

  #add(event, published) {
    const [epoch, seq] = event.id.split("-");
    const arrivals = new Float64Array(this.tracks.length).fill(NaN);
    const occurrence = { id: keyOf(event), epoch, seq: Number(seq), event, published, arrivals, live: 0 };
    const list = this.occurrences;
    let place = list.length;
    while (place && list[place - 1].published > published) place -= 1;
    list.splice(place, 0, occurrence);
    this.#byId.set(occurrence.id, occurrence);
    const stale = (published > 0 ? Math.max(published, list.at(-1).published) : 0) - KEPT;
    for (const { id } of prune(list, (item) => item.published < stale, MOST)) this.#byId.delete(id);
    return occurrence;
  }
}
