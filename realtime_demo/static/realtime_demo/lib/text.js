/**
 * Texts in the page's language, and the formats of their values.
 *
 * `gettext` and `ngettext` are Django's, from its JavaScript catalog, which scripts.html loads
 * before the modules.
 */
export const {
  gettext = (/** @type {string} */ text) => text,
  ngettext = (/** @type {string} */ one, /** @type {string} */ many, /** @type {number} */ count) =>
    count === 1 ? one : many,
} = /** @type {any} */ (globalThis);

const language = globalThis.document?.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(language);

/** The format of a time of day. @param {Intl.DateTimeFormatOptions} [more] */
export const timeFormat = (more) =>
  new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", ...more });

/** Replaces each `{name}` in `text`; a name without a value stays. @param {string} text */
export const format = (text, values) => text.replace(/\{([\w.]+)\}/g, (placeholder, name) => values[name] ?? placeholder);

/** Sets `text` only if it differs: a change costs a layout, and screen readers repeat it. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A duration with its significant digits. @param {number} milliseconds */
export function duration(milliseconds) {
  const size = Math.abs(milliseconds);
  if (Number.isNaN(size)) return "\u2013";
  if (size < 9.95) return format(gettext("{value}\u00a0ms"), { value: milliseconds.toFixed(1) });
  if (size < 999.5) return format(gettext("{value}\u00a0ms"), { value: milliseconds.toFixed(0) });
  if (size < 59_950) return format(gettext("{value}\u00a0s"), { value: (milliseconds / 1000).toFixed(2) });
  return format(gettext("{value}\u00a0min"), { value: (milliseconds / 60_000).toFixed(1) });
}

/** Decimal units, two digits or three. @param {number} count */
export function bytes(count) {
  if (!Number.isFinite(count)) return "\u2013";
  if (count < 1000) return `${count}\u00a0B`;
  const [unit, size] = count < 999_500 ? ["kB", count / 1e3] : ["MB", count / 1e6];
  return `${size < 99.5 ? size.toPrecision(2) : Math.round(size)}\u00a0${unit}`;
}

export const count = (value) => numbers.format(value);

/** @param {number} share 0 to 1 */
export const percent = (share) => (Number.isFinite(share) ? `${Math.round(share * 100)}\u00a0%` : "\u2013");
