/**
 * The panel of a guided scenario: a question, a run, and an answer with the figures of the run.
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
import { find } from "../lib/dom.js";
import { format, gettext } from "../lib/text.js";

export class ScenarioPanel {
  /** @type {Scenario | null} */
  scenario = null;
  isRunning = false;
  #timers = [];

  /**
   * @param {HTMLElement} element
   * @param {Scenario[]} scenarios
   * @param {object} page
   * @param {string} page.unavailable the reason why scenarios that need the demo's controls cannot be run; "": they can
   * @param {(scenario: Scenario) => void} page.prepare applies the settings and resets the figures
   * @param {(action: object) => unknown} page.act
   * @param {(hiddenTime: number) => Record<string, any>} page.figures
   * @param {(from: number, to: number) => number} page.hiddenBetween milliseconds for which the page was hidden
   * @param {(text: string) => void} page.announce
   */
  constructor(element, scenarios, page) {
    this.element = element;
    this.scenarios = scenarios;
    this.page = page;
    const part = (selector) => find(element, selector);
    this.parts = {
      title: part(".scenario-title"),
      question: part(".scenario-question"),
      choices: part(".scenario-choices"),
      run: part(".scenario-run"),
      hint: part("#scenario-hint"),
      close: part(".scenario-close"),
      progress: part("progress"),
      answer: part(".scenario-answer"),
    };
    this.parts.run.addEventListener("click", () => this.run());
    addEventListener("pagehide", () => this.isRunning && this.open(this.scenario.slug));
  }

  /** @param {string} slug the scenario's; "" closes the panel */
  open(slug) {
    this.#stop();
    this.scenario = this.scenarios.find((scenario) => scenario.slug === slug) ?? null;
    this.element.hidden = !this.scenario;
    if (!this.scenario) return;
    const { title, question, choices } = this.scenario;
    const { parts } = this;
    parts.title.textContent = title;
    parts.question.textContent = question;
    parts.choices.replaceChildren(...choices.map(choiceLabel));
    parts.choices.onchange = () => this.#enableRun(this.#isPossible);
    parts.answer.replaceChildren();
    this.#enableRun(false);
    parts.hint.hidden = !this.#isPossible;
    parts.run.textContent = gettext("Run");
    parts.progress.hidden = true;
    if (!this.#isPossible) parts.answer.textContent = this.page.unavailable;
  }

  #enableRun(isEnabled) {
    this.parts.run.disabled = !isEnabled;
    this.parts.hint.hidden = true;
  }

  get #isPossible() {
    return !this.scenario.needsDemo || !this.page.unavailable;
  }

  /** Runs the scenario, then shows its answer. */
  run() {
    const { parts, scenario } = this;
    this.#stop();
    this.isRunning = true;
    this.#enableRun(false);
    parts.answer.replaceChildren();
    parts.progress.hidden = false;
    this.page.prepare(scenario);
    this.startedAt = now();
    const schedule = (seconds, act) => this.#timers.push(setTimeout(act, seconds * 1000));
    for (const action of scenario.actions) schedule(action.after, () => this.page.act(action));
    parts.progress.max = scenario.duration;
    this.progressTimer = setInterval(() => (parts.progress.value = (now() - this.startedAt) / 1000), 200);
    schedule(scenario.duration, () => this.#finish());
  }

  #stop() {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    clearInterval(this.progressTimer);
    if (this.isRunning) this.page.act({ do: "resume" });
    this.isRunning = false;
  }

  #finish() {
    const { parts, scenario } = this;
    const hiddenTime = this.page.hiddenBetween(this.startedAt, now());
    const figures = this.page.figures(hiddenTime);
    this.#stop();
    parts.progress.hidden = true;
    this.#enableRun(true);
    parts.run.textContent = gettext("Run again");
    if (hiddenTime < scenario.hiddenTime * 1000) {
      const template = gettext("No answer: this tab was hidden for {seconds} s of the run. Run it again, and switch to another tab for ten seconds.");
      parts.answer.textContent = format(template, { seconds: Math.round(hiddenTime / 1000) });
      this.page.announce(parts.answer.textContent);
      return;
    }
    const chosen = parts.choices.querySelector(":checked");
    const isRight = scenario.choices[Number(chosen?.value)]?.right;
    const verdict = document.createElement("strong");
    verdict.textContent = isRight ? gettext("Right.") : gettext("Not quite.");
    verdict.dataset.right = `${Boolean(isRight)}`;
    const answer = format(scenario.answer, figures);
    parts.answer.replaceChildren(verdict, ` ${answer} `);
    if (scenario.link) {
      const link = document.createElement("a");
      link.href = scenario.link;
      link.textContent = gettext("Source");
      parts.answer.append(link);
    }
    for (const [index, { right }] of scenario.choices.entries()) {
      parts.choices.children[index].dataset.right = `${right}`;
    }
    parts.answer.scrollIntoView({ block: "nearest" });
    this.page.announce(`${verdict.textContent} ${answer}`);
  }
}

function choiceLabel({ text }, index) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "choice", value: `${index}` });
  const span = document.createElement("span");
  span.textContent = text;
  label.append(input, span);
  return label;
}
