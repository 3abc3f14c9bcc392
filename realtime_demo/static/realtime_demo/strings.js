/** The page's words, which the server wrote into it, filled with values. */
const strings = JSON.parse(document.getElementById("strings").textContent);
const numbers = new Intl.NumberFormat(document.documentElement.lang);

/** `say("reconnecting", { seconds: 3 })` @param {string} key */
export function say(key, values = {}) {
  return fill(strings[key], values);
}

/** Braces in a text become values; those without a value stay. @param {string} text */
export const fill = (text, values) =>
  text.replace(/\{([\w.]+)\}/g, (whole, name) => values[name] ?? whole);

/** Whether there are words for it. @param {string} key */
export const knows = (key) => Object.hasOwn(strings, key);

/** Text that is there already is left alone: it costs a layout, and screen readers repeat it. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A duration, with as many digits as it deserves. @param {number} milliseconds */
export function duration(milliseconds) {
  const size = Math.abs(milliseconds);
  if (Number.isNaN(size)) return "\u2013";
  if (size < 9.95) return say("milliseconds", { value: milliseconds.toFixed(1) });
  if (size < 999.5) return say("milliseconds", { value: milliseconds.toFixed(0) });
  if (size < 59_950) return say("seconds", { value: (milliseconds / 1000).toFixed(2) });
  return say("minutes", { value: (milliseconds / 60_000).toFixed(1) });
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
