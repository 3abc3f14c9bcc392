/**
 * The guided scenarios: a menu, and a panel with a question, a run, and an answer with the figures
 * of the run.
 *
 * @typedef {object} Scenario
 * @property {string} slug
 * @property {string} title
 * @property {string} question
 * @property {{ text: string, right: boolean }[]} choices
 * @property {Record<string, any>} settings
 * @property {{ after: number, do: string }[]} actions `after` seconds from the start
 * @property {number} duration seconds
 * @property {string} answer with placeholders such as {median.polling}
 * @property {string} link
 * @property {boolean} needsDemo
 * @property {number} hiddenTime seconds for which the reader must have hidden the page
 */
import { now } from "../lib/clock.js";
import { find, make } from "../lib/dom.js";
import { format, gettext, ngettext } from "../lib/text.js";
import { scenarioFigures } from "./scenario-figures.js";

/** Settings that a scenario may change. */
const SETTINGS = ["rtt", "jitter", "bandwidth", "interval", "rate"];

/** Returns the reason why this page cannot run scenarios that need the demo's controls; "": it can. */
function unavailableReason(demo) {
  if (!demo) return gettext("This scenario needs the demo. Start it with make demo.");
  if (demo.mayControl) return "";
  return gettext("The feed and the network are controlled on the machine that runs the demo.");
}

export class Scenarios {
  /** The scenario in the panel. @type {Scenario | null} */
  #scenario = null;
  #isRunning = false;
  #startedAt = 0;
  #timers = [];
  #progressTimer;
  /** Further connections, which a scenario opens. @type {AbortController[]} */
  #connections = [];

  /**
   * @param {HTMLElement} element the panel
   * @param {HTMLSelectElement} menu
   * @param {Scenario[]} scenarios
   * @param {object} page
   * @param {import("../lib/settings.js").Settings} page.settings
   * @param {import("../sources/receiver.js").Receiver[]} page.receivers
   * @param {import("../lib/demo-control.js").DemoControl | null} page.demo
   * @param {import("../lanes/timeline.js").Timeline} page.timeline
   * @param {import("./forecast.js").Forecast} page.forecast
   * @param {import("./controls.js").Controls} page.controls
   * @param {import("../lanes/board.js").Board} page.board
   * @param {() => void} page.resetFigures
   * @param {(text: string) => void} page.note
   * @param {(text: string) => void} page.announce
   */
  constructor(element, menu, scenarios, page) {
    this.element = element;
    this.menu = menu;
    this.scenarios = scenarios;
    this.page = page;
    this.unavailable = unavailableReason(page.demo);
    const part = (selector) => find(element, selector);
    this.parts = {
      title: part(".scenario-title"),
      question: part(".scenario-question"),
      choices: part(".scenario-choices"),
      run: part(".scenario-run"),
      hint: part("#scenario-hint"),
      progress: part("progress"),
      answer: part(".scenario-answer"),
    };
    const { settings } = page;
    for (const { slug, title } of scenarios) menu.append(new Option(title, slug));
    /** @type {HTMLElement} */ (menu.closest("[data-menu]")).hidden = !scenarios.length;
    menu.addEventListener("change", () => settings.set({ scene: menu.value }));
    part(".scenario-close").addEventListener("click", () => settings.set({ scene: "" }));
    settings.addEventListener("change", (/** @type {any} */ { detail }) => detail.names.includes("scene") && this.open());
    this.parts.choices.addEventListener("change", () => this.#enableRun(this.#isPossible));
    this.parts.run.addEventListener("click", () => this.#run());
    addEventListener("pagehide", () => this.#isRunning && this.#show(this.#scenario.slug));
  }

  /** Opens the scenario of the settings; closes the panel without one. */
  open() {
    const { settings, demo, board } = this.page;
    const wasOpen = this.#scenario !== null;
    this.menu.value = settings.get("scene");
    demo?.endLease();
    this.#show(this.menu.value);
    // The end of the lease restores the settings of the demo: do not send the defaults to it.
    if (wasOpen && !this.#scenario) settings.set(this.#defaults, "demo");
    if (this.#scenario) board.freeze(false);
  }

  /** The settings without a scenario. */
  get #defaults() {
    return Object.fromEntries(SETTINGS.map((name) => [name, this.page.settings.default(name)]));
  }

  get #isPossible() {
    return !this.#scenario.needsDemo || !this.unavailable;
  }

  /** @param {string} slug */
  #show(slug) {
    const { parts } = this;
    this.#stop();
    this.#scenario = this.scenarios.find((scenario) => scenario.slug === slug) ?? null;
    this.element.hidden = !this.#scenario;
    if (!this.#scenario) return;
    const { title, question, choices } = this.#scenario;
    parts.title.textContent = title;
    parts.question.textContent = question;
    parts.choices.replaceChildren(...choices.map(({ text }, index) => {
      const input = make("input", { type: "radio", name: "choice", value: `${index}` });
      return make("label", {}, input, make("span", { textContent: text }));
    }));
    this.#enableRun(false);
    parts.hint.hidden = !this.#isPossible;
    parts.run.textContent = gettext("Run");
    parts.progress.hidden = true;
    parts.answer.textContent = this.#isPossible ? "" : this.unavailable;
  }

  #enableRun(isEnabled) {
    this.parts.run.disabled = !isEnabled;
    this.parts.hint.hidden = true;
  }

  // --- A run -----------------------------------------------------------------------------------

  #run() {
    const { parts } = this;
    const scenario = this.#scenario;
    this.#stop();
    this.#isRunning = true;
    this.#enableRun(false);
    parts.answer.replaceChildren();
    parts.progress.hidden = false;
    this.#prepare(scenario);
    this.#startedAt = now();
    const schedule = (seconds, act) => this.#timers.push(setTimeout(act, seconds * 1000));
    for (const action of scenario.actions) schedule(action.after, () => this.#act(action));
    parts.progress.max = scenario.duration;
    this.#progressTimer = setInterval(() => (parts.progress.value = (now() - this.#startedAt) / 1000), 200);
    schedule(scenario.duration, () => this.#finish());
  }

  /** Applies the settings and resets the figures. */
  #prepare(scenario) {
    const { settings, receivers, demo, controls, board, resetFigures } = this.page;
    board.freeze(false);
    demo?.beginLease();
    this.#resume(); // an interrupted run may have left faults behind
    const { lanes, ...rest } = scenario.settings;
    settings.set({ ...this.#defaults, ...rest }, "scenario");
    for (const each of receivers) each.want(!lanes || `${lanes}`.includes(each.technique.name));
    if (demo?.mayControl) controls.do("feed", { running: true });
    resetFigures();
  }

  #act({ do: action, ...values }) {
    delete values.after; // the time of the action
    if (action === "connections") return this.#connect(values.count);
    if (action === "resume") return this.#resume();
    return this.page.controls.do(action, Object.keys(values).length ? values : undefined);
  }

  /** Opens further connections. @param {number} count */
  #connect(count) {
    const { receivers, note } = this.page;
    const { technique } = receivers.find((each) => each.technique.isStream);
    for (let index = 0; index < count; index += 1) {
      const controller = new AbortController();
      this.#connections.push(controller);
      const url = new URL(technique.url, location.href);
      url.searchParams.set("extra", `${this.#connections.length}`);
      fetch(url, { cache: "no-store", signal: controller.signal }).catch(() => {});
    }
    note(format(ngettext("{count} more connection", "{count} more connections", count), { count }));
  }

  /** Ends the faults of a scenario. */
  #resume() {
    const { demo, controls } = this.page;
    for (const controller of this.#connections.splice(0)) controller.abort();
    const faults = demo?.state?.faults;
    if (!faults || !demo.mayControl) return;
    // Send all requests at once: a page that is closing cannot send later.
    if (faults.stalled.length) controls.do("stall", { on: false });
    if (faults.buffering) controls.do("buffering", { on: false });
    if (faults.gzip) controls.do("gzip", { on: false });
  }

  #stop() {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    clearInterval(this.#progressTimer);
    if (this.#isRunning) this.#resume();
    this.#isRunning = false;
  }

  /** Shows the answer. */
  #finish() {
    const { parts } = this;
    const { choices, hiddenTime, answer: template, link } = this.#scenario;
    const { receivers, forecast, timeline, announce } = this.page;
    const hidden = timeline.hiddenBetween(this.#startedAt, now());
    const answer = format(template, scenarioFigures(receivers, forecast.predictions, hidden));
    this.#stop();
    parts.progress.hidden = true;
    this.#enableRun(true);
    parts.run.textContent = gettext("Run again");
    if (hidden < hiddenTime * 1000) {
      const noAnswer = gettext("No answer: this tab was hidden for {seconds} s of the run. Run it again, and switch to another tab for ten seconds.");
      parts.answer.textContent = format(noAnswer, { seconds: Math.round(hidden / 1000) });
      announce(parts.answer.textContent);
      return;
    }
    const chosen = parts.choices.querySelector(":checked");
    const isRight = Boolean(choices[Number(chosen?.value)]?.right);
    const verdict = isRight ? gettext("Right.") : gettext("Not quite.");
    parts.answer.replaceChildren(make("strong", { textContent: verdict, dataset: { right: `${isRight}` } }), ` ${answer} `);
    if (link) parts.answer.append(make("a", { href: link, textContent: gettext("Source") }));
    choices.forEach(({ right }, index) => (parts.choices.children[index].dataset.right = `${right}`));
    parts.answer.scrollIntoView({ block: "nearest" });
    announce(`${verdict} ${answer}`);
  }
}
