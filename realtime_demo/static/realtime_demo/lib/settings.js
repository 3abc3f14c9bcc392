/** The page's settings; its address has those that differ from the defaults. */
import { format, gettext } from "./text.js";

const WINDOWS = [10, 30, 60];
/** Parameters of the address that the server reads. */
const SERVERS = ["room", "lang"];

/**
 * @typedef {object} Parameter of the address
 * @property {(text: string) => any} parse returns undefined for an invalid text
 * @property {(text: string) => boolean} accepts
 * @property {string} expected
 */

/** @param {number} min @param {number} max @returns {Parameter} a number, moved to the nearer bound */
function number(min, max) {
  const isNumber = (text) => text !== "" && Number.isFinite(Number(text));
  return {
    parse: (text) => (isNumber(text) ? Math.min(Math.max(Number(text), min), max) : undefined),
    accepts: (text) => isNumber(text) && Number(text) >= min && Number(text) <= max,
    expected: format(gettext("a number from {min} to {max}"), { min, max }),
  };
}

/** @param {(string | number)[]} values @returns {Parameter} */
function oneOf(values) {
  const parse = (text) => values.find((value) => `${value}` === text);
  return {
    parse,
    accepts: (text) => parse(text) !== undefined,
    expected: format(gettext("one of {values}"), { values: values.filter(String).join(", ") }),
  };
}

/** @param {string[]} values @returns {Parameter} any of them, separated by commas */
function someOf(values) {
  const parse = (text) => text.split(",").filter((value) => values.includes(value));
  return {
    parse,
    accepts: (text) => text === "none" || parse(text).length === text.split(",").length,
    expected: format(gettext("some of {values}, separated by commas, or none"), { values: values.join(", ") }),
  };
}

export class Settings extends EventTarget {
  /** Names of the settings in the address. @type {Set<string>} */
  fromAddress = new Set();
  /** Problems of the address, in sentences. @type {string[]} */
  problems = [];
  #values;
  #defaults;
  #parameters;

  /**
   * @param {Record<string, any>} defaults `lanes` has the names of all lanes
   * @param {string[]} scenarios their names
   * @param {string} [query]
   */
  constructor(defaults, scenarios, query = location.search) {
    super();
    this.#defaults = defaults;
    this.#values = { ...defaults };
    /** @type {Record<string, Parameter>} */
    this.#parameters = {
      window: oneOf(WINDOWS),
      interval: number(50, 60_000),
      rate: number(0.1, 100),
      rtt: number(0, 10_000),
      jitter: number(0, 10_000),
      bandwidth: number(1, 1e6),
      lanes: someOf(defaults.lanes),
      scene: oneOf(["", ...scenarios]),
    };
    for (const [name, text] of new URLSearchParams(query)) if (!SERVERS.includes(name)) this.#read(name, text);
  }

  #read(name, text) {
    if (!Object.hasOwn(this.#parameters, name)) {
      const names = [...SERVERS, ...Object.keys(this.#parameters)].join(", ");
      this.problems.push(format(gettext("The address has the unknown parameter “{name}”; expected: {names}."), { name, names }));
      return;
    }
    const { parse, accepts, expected } = this.#parameters[name];
    if (!accepts(text)) {
      this.problems.push(format(gettext("The address has “{name}={text}”; expected: {expected}."), { name, text, expected }));
    }
    const value = parse(text);
    if (value === undefined) return;
    this.#values[name] = value;
    this.fromAddress.add(name);
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
    for (const name of Object.keys(this.#parameters)) {
      const value = this.#values[name];
      const isDefault = value === null || `${value}` === `${this.#defaults[name]}`;
      if (isDefault) url.searchParams.delete(name);
      else url.searchParams.set(name, Array.isArray(value) ? value.join(",") || "none" : `${value}`);
    }
    url.search = url.search.replaceAll("%2C", ",");
    return url;
  }

  #write() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => history.replaceState(history.state, "", this.url), 150);
  }
}
