/** The controls: each sets something, and the lanes are told when. */
import { bytes, duration, say, write } from "./strings.js";

/** The stops of a slider, and how its value is said. */
const SLIDERS = {
  rate: { stops: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], words: (rate) => say("perSecond", { rate }) },
  interval: { stops: [100, 200, 500, 1_000, 2_000, 5_000, 10_000], words: milliseconds },
  rtt: { stops: [0, 10, 20, 50, 100, 200, 300, 500, 1_000, 2_000], words: milliseconds },
  jitter: { stops: [0, 5, 10, 20, 50, 100, 200, 500], words: milliseconds },
  bandwidth: {
    stops: [3, 10, 30, 100, 300, 1_000, null],
    words: (rate) => (rate === null ? say("unlimited") : say("eachSecond", { amount: bytes(rate * 1000) })),
  },
};
const STAGED = { rate: "feed", rtt: "network", jitter: "network", bandwidth: "network" };
const SETTLED = 1_500; // milliseconds for which the reader's own word counts, not the stage's echo

/** Whole, where it is: "1 s", "500 ms". */
function milliseconds(value) {
  if (value < 1000) return say("milliseconds", { value });
  return value % 1000 ? duration(value) : say("seconds", { value: value / 1000 });
}

export class Controls {
  #touched = -Infinity;

  /**
   * @param {HTMLElement} element
   * @param {import("./address.js").Settings} settings
   * @param {import("./stage.js").Stage | null} stage
   * @param {{ room: string, note: (text: string) => void, outcome: HTMLElement }} page
   */
  constructor(element, settings, stage, page) {
    Object.assign(this, { element, settings, stage, page });
    const mayControl = stage?.mayControl ?? false;
    for (const part of element.querySelectorAll("[data-staged]")) part.hidden = !mayControl;
    element.classList.toggle("is-staged", mayControl);
    for (const [name, { stops }] of Object.entries(SLIDERS)) {
      const input = element.querySelector(`[data-setting="${name}"]`);
      input.max = stops.length - 1;
      input.addEventListener("input", () => this.#show(name, stops[input.value]));
      input.addEventListener("change", () => settings.set({ [name]: stops[input.value] }));
      this.#set(name);
    }
    settings.addEventListener("change", ({ detail }) => this.#changed(detail));
    for (const button of element.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.do(button.dataset.do));
    }
    stage?.addEventListener("state", ({ detail }) => this.#follow(detail));
    this.#settle(mayControl);
  }

  /** What the address says is what the stage is to be like; it does not say where the feed is. */
  #settle(mayControl) {
    if (mayControl) this.#stageIs([...this.settings.given]);
  }

  /** Asks for no more than these: the rest may be what another page is setting. */
  #stageIs(names, here = {}) {
    const wanted = {};
    for (const name of names.filter((name) => STAGED[name])) {
      const action = STAGED[name];
      (wanted[action] ??= action === "feed" ? { ...here } : {})[name] = this.settings.get(name);
      this.#touched = performance.now();
    }
    for (const [action, what] of Object.entries(wanted)) this.#ask(action, what);
  }

  /**
   * Presses a button, as it were.
   *
   * @param {string} action "feed", "burst", "cut", "stall", "restart", "buffering", "gzip"
   * @param {object} [what] in place of what the button would say
   */
  async do(action, what) {
    const state = this.stage?.state;
    const faults = state?.faults ?? {};
    if (action === "feed") {
      const running = what?.running ?? !state?.feed.running;
      this.#note(say(running ? "noteFeedOn" : "noteFeedOff"));
      return this.#ask("feed", { running, ...this.#here });
    }
    if (action === "burst") {
      const count = what?.count ?? 20;
      this.#note(say("noteBurst", { count }));
      return this.#ask("burst", { count, room: this.page.room });
    }
    if (action === "stall") {
      const on = what?.on ?? !faults.stalled?.length;
      this.#note(say(on ? "noteStall" : "noteStallOver"));
      return this.#ask("stall", { ...what, on });
    }
    if (action === "buffering" || action === "gzip") {
      const on = what?.on ?? !faults[action];
      this.#note(say(on ? `note_${action}` : `note_${action}_over`));
      return this.#ask("fault", { [action]: on });
    }
    this.#note(say(action === "cut" ? "noteCut" : "noteRestart"));
    return this.#ask(action, what);
  }

  // -----------------------------------------------------------------------------------------

  #changed({ names, origin }) {
    for (const name of names) if (SLIDERS[name]) this.#set(name);
    if (origin === "stage") return;
    for (const name of names) {
      if (!SLIDERS[name]) continue;
      const words = SLIDERS[name].words(this.settings.get(name));
      this.#note(say("noteSetting", { setting: say(`setting_${name}`), value: words }));
    }
    if (this.stage?.mayControl) this.#stageIs(names, this.#here);
  }

  /** The feed comes to the room that its controls are worked in. */
  get #here() {
    return { room: this.page.room };
  }

  async #ask(action, what = {}) {
    const { stage, page } = this;
    page.outcome.textContent = "";
    try {
      return await stage.ask(action, what);
    } catch (error) {
      // A server that is killed may take its own answer with it: the lanes show what happened.
      if (action !== "restart") page.outcome.textContent = error.message;
      return null;
    }
  }

  #note(text) {
    this.page.note(text);
  }

  /** A slider at its setting; between two stops at the nearer one. */
  #set(name) {
    const { stops } = SLIDERS[name];
    const value = this.settings.get(name);
    const size = (stop) => (stop === null ? Infinity : Math.log(Math.max(stop, 1e-2)));
    const far = (stop) => (stop === value ? -1 : Math.abs(size(stop) - size(value)));
    const nearest = stops.reduce((best, stop) => (far(stop) < far(best) ? stop : best));
    this.element.querySelector(`[data-setting="${name}"]`).value = stops.indexOf(nearest);
    this.#show(name, value);
  }

  #show(name, value) {
    const words = SLIDERS[name].words(value);
    const input = this.element.querySelector(`[data-setting="${name}"]`);
    input.setAttribute("aria-valuetext", words);
    write(input.closest("label").querySelector(".value"), words);
  }

  /** Buttons that hold, and settings that another browser made. */
  #follow({ feed, network, faults, server }) {
    if (performance.now() - this.#touched > SETTLED) {
      this.settings.set({ rate: feed.rate, ...network }, "stage");
    }
    const isOn = {
      feed: feed.running,
      stall: faults.stalled.length > 0,
      buffering: faults.buffering,
      gzip: faults.gzip,
      restart: server === "restarting",
    };
    for (const [action, on] of Object.entries(isOn)) {
      const button = this.element.querySelector(`[data-do="${action}"]`);
      if (!button) continue;
      button.setAttribute("aria-pressed", `${Boolean(on)}`);
      if (action === "restart") button.removeAttribute("aria-pressed");
      if (action === "restart") button.disabled = on;
    }
    const button = this.element.querySelector('[data-do="feed"]');
    if (button) {
      button.removeAttribute("aria-pressed");
      write(button.querySelector("span"), say(feed.running ? "feedStop" : "feedStart"));
      button.dataset.running = `${feed.running}`;
      const where = this.element.querySelector(".feed-room");
      where.hidden = !feed.running || feed.room === this.page.room;
      write(where, where.hidden ? "" : say("feedIn", { room: feed.room }));
    }
  }
}
