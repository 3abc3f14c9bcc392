/** Sliders and buttons for the page's settings, the demo's feed and its network. */
import { find, findAll } from "../lib/dom.js";
import { bytes, duration, format, gettext, write } from "../lib/text.js";

/** The sliders by setting: label, stops, text of a value, and the demo's control to set it with. */
const SLIDERS = {
  rate: {
    label: gettext("Feed"),
    stops: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100],
    text: (rate) => format(gettext("{rate}\u00a0/\u00a0s"), { rate }),
    control: "feed",
  },
  interval: {
    label: gettext("Poll every"),
    stops: [100, 200, 500, 1_000, 2_000, 5_000, 10_000],
    text: durationText,
  },
  rtt: {
    label: gettext("Round trip"),
    stops: [0, 10, 20, 50, 100, 200, 300, 500, 1_000, 2_000],
    text: durationText,
    control: "network",
  },
  jitter: {
    label: gettext("Jitter"),
    stops: [0, 5, 10, 20, 50, 100, 200, 500],
    text: durationText,
    control: "network",
  },
  bandwidth: {
    label: gettext("Bandwidth"),
    stops: [3, 10, 30, 100, 300, 1_000, null],
    text: (rate) =>
      rate === null ? gettext("unlimited") : format(gettext("{amount}/s"), { amount: bytes(rate * 1000) }),
    control: "network",
  },
};
const FAULT_NOTES = {
  buffering: { on: gettext("Buffering on"), off: gettext("Buffering off") },
  gzip: { on: gettext("gzip on"), off: gettext("gzip off") },
};
const OWN_CHANGE = 1_500; // milliseconds for which the reader's setting overrides the demo's state

/** The text of a duration, in whole seconds if possible: "1 s", "500 ms". */
function durationText(value) {
  if (value < 1000) return format(gettext("{value}\u00a0ms"), { value });
  return value % 1000 ? duration(value) : format(gettext("{value}\u00a0s"), { value: value / 1000 });
}

export class Controls {
  #changedAt = -Infinity;
  #lapses = Infinity; // expired leases that the demo has reported

  /**
   * @param {HTMLElement} element
   * @param {import("../lib/settings.js").Settings} settings
   * @param {import("../lib/demo-control.js").DemoControl | null} demo
   * @param {{ room: string, note: (text: string) => void, outcome: HTMLElement }} page
   */
  constructor(element, settings, demo, page) {
    this.element = element;
    this.settings = settings;
    this.demo = demo;
    this.page = page;
    const mayControl = demo?.mayControl ?? false;
    for (const part of findAll(element, "[data-demo]")) part.hidden = !mayControl;
    for (const [name, { stops }] of Object.entries(SLIDERS)) {
      const input = find(element, `[data-setting="${name}"]`);
      input.max = stops.length - 1;
      input.addEventListener("input", () => this.#show(name, stops[input.value]));
      input.addEventListener("change", () => settings.set({ [name]: stops[input.value] }));
      this.#moveSlider(name);
    }
    settings.addEventListener("change", (/** @type {any} */ { detail }) => this.#changed(detail));
    for (const button of findAll(element, "[data-do]")) {
      button.addEventListener("click", () => this.do(button.dataset.do));
    }
    demo?.addEventListener("state", (/** @type {any} */ { detail }) => this.#follow(detail));
    // The page's address does not contain the feed's room.
    if (mayControl) this.#apply([...settings.fromAddress]);
  }

  /** Sends only these settings to the demo: another page may be changing the others. */
  #apply(names, feedValues = {}) {
    const changes = {};
    for (const name of names.filter((each) => SLIDERS[each]?.control)) {
      const action = SLIDERS[name].control;
      (changes[action] ??= action === "feed" ? { ...feedValues } : {})[name] = this.settings.get(name);
      this.#changedAt = performance.now();
    }
    for (const [action, values] of Object.entries(changes)) this.#send(action, values);
  }

  /**
   * Performs a button's action.
   *
   * @param {string} action "feed", "burst", "cut", "stall", "restart", "buffering", "gzip"
   * @param {object} [values] in place of the button's own values
   */
  do(action, values) {
    const state = this.demo?.state;
    const faults = state?.faults ?? {};
    const { room } = this.page;
    if (action === "feed") {
      const running = values?.running ?? !state?.feed.running;
      this.page.note(running ? gettext("Feed on") : gettext("Feed off"));
      return this.#send("feed", { running, room });
    }
    if (action === "burst") {
      const count = values?.count ?? 20;
      this.page.note(format(gettext("Burst of {count}"), { count }));
      return this.#send("burst", { count, room });
    }
    if (action === "stall") {
      const on = values?.on ?? !faults.stalled?.length;
      this.page.note(on ? gettext("Stalled") : gettext("Stall ended"));
      return this.#send("stall", { ...values, on });
    }
    if (action === "buffering" || action === "gzip") {
      const on = values?.on ?? !faults[action];
      this.page.note(FAULT_NOTES[action][on ? "on" : "off"]);
      return this.#send("fault", { [action]: on });
    }
    this.page.note(action === "cut" ? gettext("All connections cut") : gettext("Server restarts"));
    return this.#send(action, values);
  }

  // -----------------------------------------------------------------------------------------

  #changed({ names, origin }) {
    for (const name of names) if (SLIDERS[name]) this.#moveSlider(name);
    if (origin === "demo") return;
    for (const name of names) {
      if (!SLIDERS[name]) continue;
      const value = SLIDERS[name].text(this.settings.get(name));
      this.page.note(format(gettext("{setting} {value}"), { setting: SLIDERS[name].label, value }));
    }
    // The feed publishes in the room of the page that controls it.
    if (this.demo?.mayControl) this.#apply(names, { room: this.page.room });
  }

  async #send(action, values = {}) {
    this.page.outcome.textContent = "";
    await this.demo.send(action, values).catch(({ message }) => {
      // A server that is killed may not answer: the lanes show what happened.
      if (action !== "restart") this.page.outcome.textContent = message;
    });
  }

  /** Moves a slider to the stop nearest to its setting. */
  #moveSlider(name) {
    const { stops } = SLIDERS[name];
    const value = this.settings.get(name);
    const logarithm = (stop) => (stop === null ? Infinity : Math.log(Math.max(stop, 1e-2)));
    const distance = (stop) => (stop === value ? -1 : Math.abs(logarithm(stop) - logarithm(value)));
    const nearest = stops.reduce((best, stop) => (distance(stop) < distance(best) ? stop : best));
    find(this.element, `[data-setting="${name}"]`).value = stops.indexOf(nearest);
    this.#show(name, value);
  }

  #show(name, value) {
    const text = SLIDERS[name].text(value);
    const input = find(this.element, `[data-setting="${name}"]`);
    input.setAttribute("aria-valuetext", text);
    write(input.closest("label").querySelector(".value"), text);
  }

  /** Shows the state of the demo: toggled buttons, and settings changed by another browser. */
  #follow({ feed, network, faults, server, lapses }) {
    if (lapses > this.#lapses) this.page.note(gettext("The page that ran the scenario is gone: settings restored"));
    this.#lapses = lapses;
    if (performance.now() - this.#changedAt > OWN_CHANGE) {
      this.settings.set({ rate: feed.rate, ...network }, "demo");
    }
    const button = (action) => find(this.element, `[data-do="${action}"]`);
    const isOn = { stall: faults.stalled.length > 0, buffering: faults.buffering, gzip: faults.gzip };
    for (const [action, on] of Object.entries(isOn)) button(action).setAttribute("aria-pressed", `${Boolean(on)}`);
    button("restart").disabled = server === "restarting";
    write(button("feed").querySelector("span"), feed.running ? gettext("Stop") : gettext("Start"));
    button("feed").dataset.running = `${feed.running}`;
    const feedRoom = find(this.element, ".feed-room");
    feedRoom.hidden = !feed.running || feed.room === this.page.room;
    write(feedRoom, feedRoom.hidden ? "" : format(gettext("in {room}"), { room: feed.room }));
  }
}
