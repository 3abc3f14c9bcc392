/** The delays that theory predicts for the settings, for the cards to draw. */
import { predictedShares } from "../lib/statistics.js";

const PAUSE = 200; // milliseconds that a setting must have been left alone
const ASKED = ["rate", "interval", "rtt", "jitter", "bandwidth"];

export class Forecast {
  #asking = new AbortController();
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

  /** Requests the prediction once the settings have stayed the same for a while. */
  renew() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), PAUSE);
  }

  async #ask() {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    const query = new URLSearchParams();
    for (const name of ASKED) {
      const value = this.settings.get(name);
      if (value !== null) query.set(name, value);
    }
    try {
      const response = await fetch(`${this.url}?${query}`, { signal });
      const predictions = response.ok ? await response.json() : {};
      for (const card of this.cards) {
        const density = predictions[card.receiver.technique.name]?.density;
        card.predicted = density ? predictedShares(density) : null;
      }
    } catch {
      // Superseded, or the server is unreachable: the curves stay as they are.
    }
  }
}
