/** The page's settings; its address has those that differ from the defaults. */

const number = (min, max) => (text) => {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) ? Math.min(Math.max(value, min), max) : undefined;
};
const WINDOWS = [10, 30, 60];
/** Parsers of the address's parameters. */
const PARSERS = {
  window: (text) => (WINDOWS.includes(Number(text)) ? Number(text) : undefined),
  interval: number(50, 60_000),
  rate: number(0.1, 100),
  rtt: number(0, 10_000),
  jitter: number(0, 10_000),
  bandwidth: number(0.1, 1e6),
  lanes: (text) => text.split(",").filter(Boolean),
  scene: (text) => text,
};

export class Settings extends EventTarget {
  /** Names of the settings in the address. @type {Set<string>} */
  fromAddress = new Set();
  #values;
  #defaults;

  /**
   * @param {Record<string, any>} defaults
   * @param {string} [query]
   */
  constructor(defaults, query = location.search) {
    super();
    this.#defaults = defaults;
    this.#values = { ...defaults };
    for (const [name, text] of new URLSearchParams(query)) {
      const value = Object.hasOwn(PARSERS, name) ? PARSERS[name](text) : undefined;
      if (value === undefined) continue;
      this.#values[name] = value;
      this.fromAddress.add(name);
    }
  }

  get(name) {
    return this.#values[name];
  }

  default(name) {
    return this.#defaults[name];
  }

  /**
   * Dispatches `change`, whose `detail` is `{ names, origin }`, if any value differs.
   *
   * @param {Record<string, any>} values
   * @param {string} [origin] "reader", "demo", "scenario", "lanes"
   */
  set(values, origin = "reader") {
    const names = Object.keys(values).filter((name) => `${values[name]}` !== `${this.#values[name]}`);
    if (!names.length) return;
    for (const name of names) this.#values[name] = values[name];
    this.dispatchEvent(new CustomEvent("change", { detail: { names, origin } }));
    this.#write();
  }

  /** The address of the page with these settings. */
  get url() {
    const url = new URL(location.href);
    for (const name of Object.keys(PARSERS)) {
      const value = this.#values[name];
      const isDefault = value === null || `${value}` === `${this.#defaults[name]}`;
      if (isDefault) url.searchParams.delete(name);
      else url.searchParams.set(name, Array.isArray(value) ? value.join(",") : `${value}`);
    }
    url.search = url.search.replaceAll("%2C", ",");
    return url;
  }

  #write() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => history.replaceState(history.state, "", this.url), 150);
  }
}
