/** Plays a recording: repeats the recorded arrivals on the timeline, at their times. */
import { gettext } from "../lib/text.js";
import { Delays } from "../lib/statistics.js";
import { Deliveries } from "../sources/deliveries.js";
import { Recipient } from "../sources/recipient.js";

/** A lane of a recording. */
export class RecordedRecipient extends Recipient {
  state = "open";
  text = gettext("Recorded");
  isRunning = true;

  want() {}
}

export class Replay {
  /** Milliseconds from the start. */
  position = 0;
  #actions;
  #next = 0;

  /**
   * @param {import("./recording.js").Recording} recording
   * @param {import("../lanes/timeline.js").Timeline} timeline with as many tracks as lanes
   */
  constructor(recording, timeline) {
    this.recording = recording;
    this.timeline = timeline;
    this.recipients = recording.lanes.map((lane, index) => new RecordedRecipient(lane, timeline, timeline.tracks[index]));
    this.#actions = this.#schedule();
    this.seek(0);
  }

  /** The time that the recording shows: Unix milliseconds. */
  get time() {
    return this.recording.began + this.position;
  }

  /** Continues by some milliseconds. */
  advance(milliseconds) {
    this.position = Math.min(this.position + milliseconds, this.recording.duration);
    while (this.#actions[this.#next]?.at <= this.position) {
      this.#actions[this.#next].act();
      this.#next += 1;
    }
  }

  /** Starts over, and repeats everything up to `position`. */
  seek(position) {
    const { began, lanes } = this.recording;
    this.timeline.clear();
    this.recipients.forEach((recipient, index) => {
      const { since, isStream } = lanes[index];
      Object.assign(recipient, { deliveries: new Deliveries(), delays: new Delays() });
      Object.assign(recipient.track, { since: since === null ? Infinity : began + since, isStream, isRunning: true });
    });
    this.#next = 0;
    this.position = 0;
    this.advance(position);
  }

  /** Returns the actions of the recording, by time. */
  #schedule() {
    const { began, lanes, events, notes, hidden } = this.recording;
    const { timeline } = this;
    /** @type {{ at: number, act: () => void, rank: number }[]} */
    const actions = [];
    const schedule = (at, act, rank = 0) => at !== null && actions.push({ at, act, rank });
    lanes.forEach((lane, index) => {
      const recipient = this.recipients[index];
      const { track } = recipient;
      for (const { start, head, end, answered } of lane.requests) {
        let exchange;
        // After everything else at that time: an event counts for the request that began before it.
        schedule(start, () => (exchange = track.begin(began + start)), 1);
        schedule(head, () => (exchange.head = began + head), head === start ? 2 : 0);
        schedule(end, () => track.finish(exchange, began + end, answered), end === start ? 2 : 0);
      }
      for (const { event, at } of lane.deliveries) {
        const { published } = events[event];
        const wasHidden = hidden.some(([from, to]) => from <= at && (to ?? Infinity) >= published);
        schedule(at, () => recipient.deliver(events[event].event, began + at, began + published, !wasHidden));
      }
      for (const at of lane.cuts) schedule(at, () => track.cut(began + at));
      for (const at of lane.duplicates) {
        schedule(at, () => {
          track.duplicates.push(began + at);
          recipient.deliveries.duplicated += 1;
        });
      }
    });
    for (const { at, text } of notes) schedule(at, () => timeline.note(began + at, text));
    for (const [from, to] of hidden) {
      schedule(from, () => timeline.hide(true, began + from));
      schedule(to, () => timeline.hide(false, began + to));
    }
    return actions.sort((one, other) => one.at - other.at || one.rank - other.rank);
  }
}
