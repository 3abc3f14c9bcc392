/**
 * The controls of `manage.py demo`: its network, its feed and its faults; and the tap's counts.
 * Dispatches `state`, whose `detail` is the state document.
 */
import { problemText } from "./problem-text.js";
import { post, request } from "./request.js";
import { gettext } from "./text.js";

const FIRST_DELAY = 250;
const LONGEST_DELAY = 2_000;
const LEASE_INTERVAL = 1_500; // a lease that is not renewed ends after four seconds

/** Uses `code` only with a 403: with other statuses, it may name a member of the request. */
const textOf = (/** @type {any} */ { status, code, detail }) => problemText({ status, detail, code: status === 403 ? code : undefined });

export class DemoControl extends EventTarget {
  /** The latest state. @type {any} */
  state = null;
  /** The tap's counts at the last reset, by technique. @type {Record<string, { up: number, down: number }> | null} */
  #baseline = null;
  #configuration;
  #delay = FIRST_DELAY;
  #holder = `${Math.random()}`;
  #leaseTimer = 0;
  /** @type {Promise<unknown>} */
  #leaseBegun = Promise.resolve();

  /** @param {{ url: string, live: string, csrf: string, mayControl: boolean,
   *   says: Record<string, string> }} configuration */
  constructor(configuration) {
    super();
    this.#configuration = configuration;
    this.mayControl = configuration.mayControl;
    /** Explanations of the parts of a wire dump, by key. */
    this.explanations = configuration.says;
  }

  /** Receives the state from now on; reconnects after every interruption. */
  connect() {
    const url = new URL(this.#configuration.live, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      this.#delay = FIRST_DELAY;
      this.#update(JSON.parse(data));
    });
    socket.addEventListener("close", () => {
      if (this.state) this.#update({ ...this.state, server: "restarting" });
      setTimeout(() => this.connect(), this.#delay * (0.5 + Math.random()));
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    });
  }

  /**
   * Throws an error with the server's problem, in the page's language.
   *
   * @param {string} action "feed", "burst", "network", "cut", "stall", "restart", "fault"
   * @param {object} [values]
   */
  async send(action, values = {}) {
    await this.#leaseBegun; // the demo must save its previous settings first
    return this.#post(action, values);
  }

  #post(action, values) {
    const { url, csrf } = this.#configuration;
    const keepalive = true; // also sent while the page is being left
    return request(`${url}${action}/`, { ...post(values, { "X-CSRFToken": csrf }), keepalive }, textOf);
  }

  /** Begins a lease: the demo restores its settings when this page ends the lease or closes. */
  beginLease() {
    if (!this.mayControl || this.#leaseTimer) return;
    const renew = () => this.#post("lease", { holder: this.#holder, held: true }).catch(() => {});
    this.#leaseTimer = setInterval(renew, LEASE_INTERVAL);
    this.#leaseBegun = renew();
  }

  endLease() {
    if (!this.#leaseTimer) return;
    clearInterval(this.#leaseTimer);
    this.#leaseTimer = 0;
    this.send("lease", { holder: this.#holder, held: false }).catch(() => {});
  }

  /** The bytes that carried an event. @returns {Promise<any>} */
  wire(technique, id, signal) {
    const query = new URLSearchParams({ technique, id });
    return request(`${this.#configuration.url}wire/?${query}`, { cache: "no-store", signal }, (problem) =>
      problem.status === 404
        ? gettext("These bytes are no longer stored, or the event did not reach you by this technique.")
        : textOf(problem),
    );
  }

  /**
   * The tap's counts of a technique since the last reset; null without any.
   *
   * @param {string} technique
   * @returns {{ up: number, down: number, connections: number } | null}
   */
  counts(technique) {
    const counts = this.state?.techniques[technique];
    const { up, down } = this.#baseline?.[technique] ?? { up: 0, down: 0 };
    return counts && { up: counts.up - up, down: counts.down - down, connections: counts.connections };
  }

  /** Counts from zero. */
  resetCounts() {
    this.#baseline = this.state?.techniques ?? {};
  }

  #update(state) {
    this.state = state;
    this.#baseline ??= state.techniques;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
