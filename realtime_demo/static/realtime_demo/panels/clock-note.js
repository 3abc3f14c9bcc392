/** The sentence on how far the server's clock is from this browser's. */
import { duration, format, gettext } from "../lib/text.js";

/** @param {HTMLElement} element @param {import("../lib/clock.js").Clock} clock */
export function writeClockNote(element, { correction, offset, uncertainty }) {
  if (uncertainty === Infinity) return;
  const text = correction
    ? gettext("The server's clock is {offset} {direction} (±\u00a0{uncertainty}); delays are corrected by that.")
    : gettext("The two clocks agree within ±\u00a0{uncertainty}.");
  element.textContent = format(text, {
    uncertainty: duration(uncertainty),
    offset: duration(Math.abs(offset)),
    direction: offset > 0 ? gettext("ahead") : gettext("behind"),
  });
}
