/** The delays that theory predicts for the settings, for the cards to draw. */
import { predictedShares } from "../lib/statistics.js";

const DEBOUNCE = 200; // milliseconds without a change of a setting
const PARAMETERS = ["rate", "interval", "rtt", "jitter", "bandwidth"];

export class Forecast {
  /** The latest predictions, by technique. @type {import("./scenario-figures.js").Predictions} */
  predictions = {};
  #pending = new AbortController();
  #timer;

  /**
   * @param {string} url
   * @param {import("../lib/settings.js").Settings} settings
   * @param {import("./card.js").Card[]} cards
   */
  constructor(url, settings, cards) {
    this.url = url;
    this.settings = settings;
    this.cards = cards;
  }

  /** Requests the prediction once the settings have stopped changing. */
  update() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#request(), DEBOUNCE);
  }

  async #request() {
    this.#pending.abort();
    const { signal } = (this.#pending = new AbortController());
    const query = new URLSearchParams();
    for (const name of PARAMETERS) {
      const value = this.settings.get(name);
      if (value !== null) query.set(name, value);
    }
    try {
      const response = await fetch(`${this.url}?${query}`, { signal });
      this.predictions = response.ok ? await response.json() : {};
      for (const card of this.cards) {
        const density = this.predictions[card.receiver.technique.name]?.density;
        card.predicted = density ? predictedShares(density) : null;
      }
    } catch {
      // Superseded, or the server is unreachable: keep the curves.
    }
  }
}
