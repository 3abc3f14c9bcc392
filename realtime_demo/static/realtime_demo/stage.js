/**
 * The stage on which the demo runs: the network between, the feed, the faults, and what the
 * wire's tap counts. Dispatches `state`, whose `detail` is the stage's state document.
 */
import { refusal } from "./refusals.js";
import { say } from "./strings.js";

const FIRST_DELAY = 250;
const LONGEST_DELAY = 2_000;

/** Its codes are its own where it forbids; else they name a member, or are the feed's too. */
const refused = ({ status }, { code, detail }) =>
  refusal({ status, detail, code: status === 403 ? code : undefined });

export class Stage extends EventTarget {
  /** As it was last said. @type {any} */
  state = null;
  #configuration;
  #delay = FIRST_DELAY;

  /** @param {{ url: string, live: string, csrf: string, mayControl: boolean }} configuration */
  constructor(configuration) {
    super();
    this.#configuration = configuration;
  }

  /** What each part of the wire is, by its key. */
  get says() {
    return this.#configuration.says ?? {};
  }

  get mayControl() {
    return this.#configuration.mayControl;
  }

  /** From now on its state is known, again after every interruption. */
  follow() {
    const url = new URL(this.#configuration.live, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      this.#delay = FIRST_DELAY;
      this.#tell(JSON.parse(data));
    });
    socket.addEventListener("close", () => {
      if (this.state) this.#tell({ ...this.state, server: "restarting" });
      setTimeout(() => this.follow(), this.#delay * (0.5 + Math.random()));
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    });
  }

  /**
   * Throws an error whose message says what was refused.
   *
   * @param {string} action "feed", "burst", "network", "cut", "stall", "restart", "fault"
   * @param {object} [what]
   */
  async ask(action, what = {}) {
    const response = await fetch(`${this.#configuration.url}${action}/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#configuration.csrf },
      body: JSON.stringify(what),
      keepalive: true, // said on leaving the page, it still counts
    }).catch(() => {
      throw new Error(say("unreachable"));
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(refused(response, answer));
    return answer;
  }

  /** The bytes that carried an event. @returns {Promise<any>} */
  async wire(technique, id, signal) {
    const query = new URLSearchParams({ technique, id });
    const response = await fetch(`${this.#configuration.url}wire/?${query}`, { cache: "no-store", signal });
    const answer = await response.json().catch(() => ({}));
    if (response.status === 404) throw new Error(say("wireGone"));
    if (!response.ok) throw new Error(refused(response, answer));
    return answer;
  }

  #tell(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
