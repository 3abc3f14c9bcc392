/**
 * What the server refused, in the page's language. The server speaks English: it is a
 * program's interface. Its own words are the more exact ones, and stay where they are understood.
 */
import { knows, say } from "./strings.js";

const SPOKEN = "en"; // by the server
const CLOSED = 4_000; // what a close code adds to the status it stands for

/**
 * @param {object} problem of RFC 9457, as far as there is one
 * @param {string} [problem.code]
 * @param {number | null} [problem.status] or a close code that stands for one
 * @param {string} [problem.detail]
 * @param {Record<string, unknown>} [values] for the words
 */
export function refusal({ code, status, detail }, values = {}) {
  if (knows(`refused_${code}`)) return say(`refused_${code}`, values);
  const general = `refused_${status >= CLOSED ? status - CLOSED : status}`;
  const isUnderstood = document.documentElement.lang === SPOKEN;
  if (detail && (isUnderstood || !knows(general))) return detail;
  return knows(general) ? say(general, values) : say("refusedOtherwise", { status });
}
