/** The tap's counts of bytes and connections, for the cards. */
export class TapCounts {
  /** Counts at the last reset. @type {Record<string, { up: number, down: number }> | null} */
  #baseline = null;

  /**
   * @param {import("../lib/demo-control.js").DemoControl} demo
   * @param {import("./card.js").Card[]} cards
   */
  constructor(demo, cards) {
    this.demo = demo;
    demo.addEventListener("state", (/** @type {any} */ { detail: { techniques } }) => {
      this.#baseline ??= techniques;
      for (const card of cards) {
        const { name } = card.receiver.technique;
        if (!techniques[name]) continue;
        const baseline = this.#baseline[name] ?? { up: 0, down: 0 };
        const { up, down, connections } = techniques[name];
        card.tapCounts = { up: up - baseline.up, down: down - baseline.down, connections };
      }
    });
  }

  /** Counts from zero. */
  reset() {
    this.#baseline = this.demo.state?.techniques ?? {};
  }
}
