/** One technique at work: its source, what it brought, how late, and whether anything is missing. */
import { now } from "./clock.js";
import { Ledger } from "./ledger.js";
import { Observer } from "./observed.js";
import { refusal } from "./refusals.js";
import { Delays } from "./statistics.js";
import { knows, say } from "./strings.js";

const OPEN = 1;
const CLOSED = 2;

export class Receiver {
  ledger = new Ledger();
  delays = new Delays();
  reconnects = 0;
  state = "stopped";
  words = say("stopped");
  /** Wanted by whoever reads the page. */
  isWanted = true;

  #source = null;
  #since = "";
  #allowed = false; // by the lock
  #isBroken = false;
  #isReopening = false;
  #countdown;

  /**
   * @param {{ name: string, label: string, url: string }} technique
   * @param {new (url: URL, options: object) => EventTarget} Source
   * @param {import("./timeline.js").Timeline} timeline
   * @param {import("./timeline.js").Track} track
   * @param {object} page
   * @param {import("./clock.js").Clock} page.clock
   * @param {() => object} page.options what to open a source with
   * @param {() => string} page.name under which to be present; "": not at all
   * @param {(receiver: Receiver, occurrence: object, isNew: boolean) => void} page.arrived
   * @param {(receiver: Receiver, isNews: boolean) => void} page.changed its state has
   * @param {(since: number) => boolean} page.isVisible
   * @param {() => void} page.unknown the server does not know, or no longer, who this is
   */
  constructor(technique, Source, timeline, track, page) {
    this.technique = technique;
    this.Source = Source;
    this.timeline = timeline;
    this.track = track;
    this.page = page;
  }

  /** The lock's word: whether this tab may hold connections. @param {boolean} allowed */
  allow(allowed) {
    this.#allowed = allowed;
    this.#follow();
  }

  /** The reader's word. @param {boolean} wanted */
  want(wanted) {
    this.isWanted = wanted;
    this.#follow();
  }

  get isRunning() {
    return this.#source !== null;
  }

  /** Goes on where it is, with other options. */
  reopen() {
    if (!this.#source) return;
    this.#isReopening = true; // which is nobody's business
    this.#leave();
    this.#start();
  }

  /**
   * Changes what was published, where its connection goes both ways and is open.
   *
   * @param {string} room
   * @param {string} of
   * @param {string} text "": delete it
   * @returns {boolean} whether it was sent
   */
  change(room, of, text) {
    if (this.state !== "open" || !this.#source.change) return false;
    this.#source.change(room, of, text);
    return true;
  }

  /** From now on the figures are of what comes; the ledger stays. */
  forget() {
    this.delays.clear();
    this.reconnects = 0;
    this.track.forget();
  }

  // -----------------------------------------------------------------------------------------

  #follow() {
    const run = this.isWanted && this.#allowed;
    if (run && !this.#source) this.#start();
    else if (!run && this.#source) this.#stop();
  }

  #start() {
    const { track } = this;
    const url = new URL(this.technique.url, location.href);
    if (this.page.name()) url.searchParams.set("name", this.page.name());
    track.since = Math.min(track.since, now());
    track.isRunning = true;
    this.#isBroken = false;
    const observer = new Observer(track);
    const source = new this.Source(url, {
      ...this.page.options(),
      since: this.#since,
      fetch: observer.fetch,
    });
    observer.watch(source);
    this.#source = source;
    const mine = (listener) => (event) => source === this.#source && listener(event);
    source.addEventListener("open", mine(() => this.#opened()));
    source.addEventListener("message", mine(({ data }) => this.#receive(JSON.parse(data))));
    source.addEventListener("error", mine(({ detail }) => this.#interrupted(detail)));
    this.#show("connecting");
  }

  #leave() {
    this.#since = this.#source.since;
    this.#source.close();
    this.#source = null;
    this.track.isRunning = false;
    for (const exchange of this.track.exchanges.slice(-8)) this.track.finish(exchange, now());
  }

  #stop(state = "stopped", words = say(state)) {
    this.#leave();
    this.#show(state, words);
  }

  #opened() {
    if (this.#isBroken) this.reconnects += 1;
    this.#isBroken = false;
    this.#show("open");
    this.#isReopening = false;
  }

  #receive(event) {
    const arrived = now();
    const { track, timeline } = this;
    this.ledger.record(event);
    const delay = this.page.clock.delay(event.published_at, arrived);
    if (event.type === "reset") timeline.reset(track);
    const { occurrence, isNew } = timeline.arrive(track, event, arrived, arrived - delay);
    // Published before it asked: its age says nothing about the technique.
    const isLive = event.type !== "reset" && arrived - delay >= track.since;
    if (isLive && this.page.isVisible(arrived - delay)) this.delays.add(delay);
    this.page.arrived(this, occurrence, isNew);
  }

  #interrupted({ code, reason: detail, status, retryIn }) {
    const { readyState } = this.#source;
    if (readyState === OPEN) {
      return this.#show("open", say("openRefused", { reason: refusal({ code, status, detail }) }));
    }
    if (status === 401 || status === 4401) this.page.unknown();
    const reason = knows(code) ? say(code) : refusal({ status, detail });
    if (!this.#isBroken) this.track.cut(now());
    this.#isBroken = true;
    if (readyState === CLOSED) {
      this.isWanted = false;
      this.#stop("closed", say("closed", { reason }));
    } else if (retryIn === null) {
      this.#show("reconnecting", say("retrying", { reason }));
    } else {
      this.#countDown(now() + retryIn, reason);
    }
  }

  #countDown(until, reason) {
    const seconds = Math.ceil((until - now()) / 1000);
    const words = seconds > 0 ? "reconnecting" : "retrying";
    this.#show("reconnecting", say(words, { seconds, reason }));
    if (seconds > 0) this.#countdown = setTimeout(() => this.#countDown(until, reason), 250);
  }

  #show(state, words = say(state)) {
    clearTimeout(this.#countdown);
    if (state === this.state && words === this.words) return;
    const changed = state !== this.state && !this.#isReopening;
    Object.assign(this, { state, words });
    this.page.changed(this, changed);
  }
}
