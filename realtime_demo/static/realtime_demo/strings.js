/** The page's words, which the server wrote into it, filled with values. */
const strings = JSON.parse(document.getElementById("strings").textContent);

/** `say("reconnecting", { seconds: 3 })` @param {string} key */
export function say(key, values = {}) {
  return strings[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether there are words for it. @param {string} key */
export const knows = (key) => Object.hasOwn(strings, key);

/** A duration, with as many digits as it deserves. @param {number} milliseconds */
export function duration(milliseconds) {
  const size = Math.abs(milliseconds);
  if (size < 9.95) return say("milliseconds", { value: milliseconds.toFixed(1) });
  if (size < 999.5) return say("milliseconds", { value: milliseconds.toFixed(0) });
  if (size < 59_950) return say("seconds", { value: (milliseconds / 1000).toFixed(2) });
  return say("minutes", { value: (milliseconds / 60_000).toFixed(1) });
}
