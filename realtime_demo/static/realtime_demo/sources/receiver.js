/** One technique's source, with the delays and the completeness of its deliveries. */
import { now } from "../lib/clock.js";
import { problemText } from "../lib/problem-text.js";
import { format, gettext } from "../lib/text.js";
import { Observer } from "./observer.js";
import { Recipient } from "./recipient.js";

/** Why a connection ended, by the code of an `Interruption` (transports/source.js). */
const CAUSES = {
  unreachable: gettext("The server cannot be reached."),
  lost: gettext("The connection was lost."),
  ended: gettext("The server ended the connection."),
  silent: gettext("No data arrived for too long."),
  malformed: gettext("The server sent malformed data."),
  hidden: gettext("The page was left."),
};
const OPEN = 1;
const CLOSED = 2;

export class Receiver extends Recipient {
  state = "stopped";
  text = gettext("Stopped");
  /** Whether the reader wants it to run. */
  isWanted = true;

  #source = null;
  #since = "";
  #allowed = false; // whether this tab may run
  #isBroken = false;
  #isReopening = false;
  #countdown;

  /**
   * @param {{ name: string, label: string, url: string, responseEnds: string, isStream: boolean, colour: { dark: string, light: string } }} technique
   * @param {new (url: URL, options: object) => any} Source
   * @param {import("../lanes/timeline.js").Timeline} timeline
   * @param {import("../lanes/timeline.js").Track} track
   * @param {object} page
   * @param {import("../lib/clock.js").Clock} page.clock
   * @param {() => object} page.options of a source
   * @param {() => string} page.presenceName "": none
   * @param {(occurrence: object, isNew: boolean) => void} page.arrived
   * @param {(receiver: Receiver, isNewState: boolean) => void} page.changed called when the state or the text of a receiver changes
   * @param {() => void} page.onUnauthenticated called when the server rejects the user's session
   */
  constructor(technique, Source, timeline, track, page) {
    super(technique, timeline, track);
    this.Source = Source;
    this.page = page;
  }

  /** Whether this tab may hold connections. @param {boolean} allowed */
  allow(allowed) {
    this.#allowed = allowed;
    this.#update();
  }

  /** Whether the reader wants it to run. @param {boolean} wanted */
  want(wanted) {
    this.isWanted = wanted;
    this.#update();
  }

  get isRunning() {
    return this.#source !== null;
  }

  /** Continues from the same cursor with other options. */
  reopen() {
    if (!this.#source) return;
    this.#isReopening = true; // not announced
    this.#closeSource();
    this.#start();
  }

  /**
   * Edits or deletes an event, if the connection goes both ways and is open.
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

  // -----------------------------------------------------------------------------------------

  #update() {
    const mayRun = this.isWanted && this.#allowed;
    if (mayRun && !this.#source) this.#start();
    else if (!mayRun && this.#source) this.#stop();
  }

  #start() {
    const { track } = this;
    const url = new URL(this.technique.url, location.href);
    if (this.page.presenceName()) url.searchParams.set("name", this.page.presenceName());
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
    const ifCurrent = (listener) => (event) => source === this.#source && listener(event);
    source.addEventListener("open", ifCurrent(() => this.#opened()));
    source.addEventListener("message", ifCurrent(({ data }) => this.#receive(JSON.parse(data))));
    source.addEventListener("error", ifCurrent(({ detail }) => this.#interrupted(detail)));
    this.#show("connecting", gettext("Connecting …"));
  }

  #closeSource() {
    this.#since = this.#source.since;
    this.#source.close();
    this.#source = null;
    this.track.isRunning = false;
    for (const exchange of this.track.exchanges.slice(-8)) this.track.finish(exchange, now());
  }

  #stop(state = "stopped", text = gettext("Stopped")) {
    this.#closeSource();
    this.#show(state, text);
  }

  #opened() {
    if (this.#isBroken) this.reconnects += 1;
    this.#isBroken = false;
    this.#show("open", gettext("Open"));
    this.#isReopening = false;
  }

  #receive(event) {
    const arrived = now();
    const published = arrived - this.page.clock.delay(event.published_at, arrived);
    const { occurrence, isNew } = this.deliver(event, arrived, published, this.timeline.isVisibleSince(published));
    this.page.arrived(occurrence, isNew);
  }

  #interrupted({ code, reason: detail, status, retryIn }) {
    const { readyState } = this.#source;
    if (readyState === OPEN) {
      return this.#show("open", format(gettext("Open; the server rejected a message: {reason}"), { reason: problemText({ code, status, detail }) }));
    }
    if (status === 401 || status === 4401) this.page.onUnauthenticated();
    const reason = CAUSES[code] ?? problemText({ status, detail });
    if (!this.#isBroken) this.track.cut(now());
    this.#isBroken = true;
    if (readyState === CLOSED) {
      this.isWanted = false;
      this.#stop("closed", format(gettext("Closed. {reason}"), { reason }));
    } else if (retryIn === null) {
      this.#show("reconnecting", reconnecting(reason));
    } else {
      this.#countDown(now() + retryIn, reason);
    }
  }

  #countDown(until, reason) {
    const seconds = Math.ceil((until - now()) / 1000);
    this.#show("reconnecting", reconnecting(reason, seconds));
    if (seconds > 0) this.#countdown = setTimeout(() => this.#countDown(until, reason), 250);
  }

  #show(state, text) {
    clearTimeout(this.#countdown);
    if (state === this.state && text === this.text) return;
    const isNewState = state !== this.state && !this.#isReopening;
    this.state = state;
    this.text = text;
    this.page.changed(this, isNewState);
  }
}

/** @param {string} reason @param {number} [seconds] until the next attempt */
const reconnecting = (reason, seconds = 0) =>
  seconds > 0
    ? format(gettext("Reconnecting in {seconds} s. {reason}"), { seconds, reason })
    : format(gettext("Reconnecting. {reason}"), { reason });
