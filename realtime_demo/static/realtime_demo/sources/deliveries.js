/**
 * Counts of the events that a lane has received, and of those missing. A room's events are numbered
 * without holes (`<epoch>-<seq>`), which reveals every event lost, duplicated or out of order.
 */
export class Deliveries {
  received = 0;
  duplicated = 0;
  outOfOrder = 0;
  resets = 0;
  /** Events missed according to resets; null if a reset did not have the number. @type {number | null} */
  missed = 0;
  /** Runs of numbers not received yet: first and last. @type {[number, number][]} */
  missing = [];
  /** The number of events lost in earlier epochs. */
  #lostBefore = 0;
  #epoch = "";
  #last = 0;
  /** The number before the first of this run, and the number of events in earlier runs. */
  #base = 0;
  #spanned = 0;

  get lost() {
    return this.missing.reduce((sum, [first, last]) => sum + last - first + 1, this.#lostBefore);
  }

  /**
   * The number of events to receive up to `latest`, the newest one of all lanes.
   *
   * @param {{ epoch: string, seq: number }} [latest]
   */
  sent(latest) {
    const last = latest?.epoch === this.#epoch ? Math.max(latest.seq, this.#last) : this.#last;
    return this.#spanned + last - this.#base + (this.missed ?? 0);
  }

  /** Whether an event is one of those missing. @param {{ epoch: string, seq: number }} event */
  misses({ epoch, seq }) {
    return epoch === this.#epoch && this.#runOf(seq) >= 0;
  }

  get isComplete() {
    return !this.lost && !this.duplicated && !this.outOfOrder;
  }

  /** @param {{ id: string, type: string, missed?: number | null }} event */
  record({ id, type, missed }) {
    const [epoch, number] = id.split("-");
    const seq = Number(number);
    if (type === "reset") return this.#reset(epoch, seq, missed ?? null);
    this.received += 1;
    if (!this.#epoch) {
      this.#begin(epoch, seq - 1);
    } else if (this.#last === 0 && epoch.startsWith(this.#epoch)) {
      this.#epoch = epoch; // the room was empty: its first event completes the epoch
    } else if (epoch !== this.#epoch) {
      this.#lostBefore += 1; // a new epoch without a reset: at least one is lost
      this.#begin(epoch, seq - 1);
    }
    if (seq > this.#last) {
      if (seq > this.#last + 1) this.missing.push([this.#last + 1, seq - 1]);
      this.#last = seq;
    } else if (this.#fill(seq)) {
      this.outOfOrder += 1;
    } else {
      this.duplicated += 1;
    }
  }

  /** The index of the run of missing numbers that has this one; -1: none has. */
  #runOf(seq) {
    return this.missing.findIndex(([first, last]) => first <= seq && seq <= last);
  }

  /** Removes a number from the missing ones; false if it was not missing. */
  #fill(seq) {
    const index = this.#runOf(seq);
    if (index < 0) return false;
    const [first, last] = this.missing[index];
    /** @type {[number, number][]} */
    const runs = [[first, seq - 1], [seq + 1, last]];
    const rest = runs.filter(([from, to]) => from <= to);
    this.missing.splice(index, 1, ...rest);
    return true;
  }

  #reset(epoch, seq, missed) {
    this.resets += 1;
    this.missed = missed === null || this.missed === null ? null : this.missed + missed;
    this.#begin(epoch, seq);
  }

  #begin(epoch, last) {
    this.#lostBefore = this.lost;
    this.#spanned += this.#last - this.#base;
    this.#base = last;
    this.missing = [];
    this.#epoch = epoch;
    this.#last = last;
  }
}

/** Formats runs: "17–19, 25". @param {[number, number][]} runs */
export const ranges = (runs) =>
  runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
