/**
 * A guided scene: a question first, then the run, then the answer with what was just measured.
 *
 * @typedef {object} Scene
 * @property {string} slug
 * @property {string} title
 * @property {string} question
 * @property {{ text: string, right: boolean }[]} choices
 * @property {Record<string, any>} settings
 * @property {{ after: number, do: string }[]} actions seconds from the beginning
 * @property {number} duration seconds
 * @property {string} answer with {median.polling} and the like
 * @property {string} link
 * @property {boolean} needsStage
 */
import { fill, say } from "./strings.js";

export class Situation {
  /** @type {Scene | null} */
  scene = null;
  isRunning = false;
  #timers = [];

  /**
   * @param {HTMLElement} element
   * @param {Scene[]} scenes
   * @param {object} page
   * @param {string} page.lacks words for why the stage cannot be worked from here; "": it can
   * @param {(scene: Scene) => void} page.prepare settings, and figures from nought
   * @param {(action: object) => unknown} page.act
   * @param {() => Record<string, string>} page.figures
   * @param {(words: string) => void} page.announce
   */
  constructor(element, scenes, page) {
    Object.assign(this, { element, scenes, page });
    const part = (selector) => element.querySelector(selector);
    this.parts = {
      title: part(".scene-title"),
      question: part(".scene-question"),
      choices: part(".scene-choices"),
      run: part(".scene-run"),
      hint: part("#scene-hint"),
      close: part(".scene-close"),
      progress: part("progress"),
      answer: part(".scene-answer"),
    };
    this.parts.run.addEventListener("click", () => this.run());
    addEventListener("pagehide", () => this.isRunning && this.open(this.scene.slug));
  }

  /** @param {string} slug "" closes it */
  open(slug) {
    this.#stop();
    this.scene = this.scenes.find((scene) => scene.slug === slug) ?? null;
    this.element.hidden = !this.scene;
    if (!this.scene) return;
    const { title, question, choices } = this.scene;
    const { parts } = this;
    parts.title.textContent = title;
    parts.question.textContent = question;
    parts.choices.replaceChildren(...choices.map(choice));
    parts.choices.onchange = () => this.#offer(this.#isPossible);
    parts.answer.replaceChildren();
    this.#offer(false);
    parts.hint.hidden = !this.#isPossible;
    parts.run.textContent = say("sceneRun");
    parts.progress.hidden = true;
    if (!this.#isPossible) parts.answer.textContent = say(this.page.lacks);
  }

  #offer(canRun) {
    this.parts.run.disabled = !canRun;
    this.parts.hint.hidden = true;
  }

  get #isPossible() {
    return !this.scene.needsStage || !this.page.lacks;
  }

  /** The run, and at its end the answer. */
  run() {
    const { parts, scene } = this;
    this.#stop();
    this.isRunning = true;
    this.#offer(false);
    parts.answer.replaceChildren();
    parts.progress.hidden = false;
    this.page.prepare(scene);
    const began = performance.now();
    const later = (seconds, act) => this.#timers.push(setTimeout(act, seconds * 1000));
    for (const action of scene.actions) later(action.after, () => this.page.act(action));
    parts.progress.max = scene.duration;
    this.ticking = setInterval(() => (parts.progress.value = (performance.now() - began) / 1000), 200);
    later(scene.duration, () => this.#finish());
  }

  #stop() {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    clearInterval(this.ticking);
    if (this.isRunning) this.page.act({ do: "resume" });
    this.isRunning = false;
  }

  #finish() {
    const { parts, scene } = this;
    const figures = this.page.figures();
    this.#stop();
    parts.progress.hidden = true;
    this.#offer(true);
    parts.run.textContent = say("sceneAgain");
    const chosen = parts.choices.querySelector(":checked");
    const isRight = scene.choices[Number(chosen?.value)]?.right;
    const verdict = document.createElement("strong");
    verdict.textContent = say(isRight ? "sceneRight" : "sceneWrong");
    verdict.dataset.right = `${Boolean(isRight)}`;
    const words = fill(scene.answer, figures);
    parts.answer.replaceChildren(verdict, ` ${words} `);
    if (scene.link) {
      const link = document.createElement("a");
      link.href = scene.link;
      link.textContent = say("source");
      parts.answer.append(link);
    }
    for (const [index, { right }] of scene.choices.entries()) {
      parts.choices.children[index].dataset.right = `${right}`;
    }
    parts.answer.scrollIntoView({ block: "nearest" });
    this.page.announce(`${verdict.textContent} ${words}`);
  }
}

function choice({ text }, index) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "choice", value: `${index}` });
  const words = document.createElement("span");
  words.textContent = text;
  label.append(input, words);
  return label;
}
