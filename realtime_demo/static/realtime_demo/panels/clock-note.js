/** The note about the offset of the server's clock from this browser's. */
import { duration, format, gettext } from "../lib/text.js";

/** @param {HTMLElement} element @param {import("../lib/clock.js").Clock} clock */
export function writeClockNote(element, { correction, offset, uncertainty }) {
  if (uncertainty === Infinity) return;
  const values = { uncertainty: duration(uncertainty), offset: duration(Math.abs(offset)) };
  element.textContent = format(template(correction), values);
}

/** @param {number} correction */
function template(correction) {
  if (correction > 0) return gettext("The server's clock is {offset} ahead (±\u00a0{uncertainty}); delays are corrected.");
  if (correction < 0) return gettext("The server's clock is {offset} behind (±\u00a0{uncertainty}); delays are corrected.");
  return gettext("The two clocks agree within ±\u00a0{uncertainty}.");
}
