/** Publishing by HTTP. */
import { problemText } from "./problem-text.js";
import { gettext } from "./text.js";

const PAUSES = [300, 900, 1_800]; // milliseconds before the second, third and fourth attempt

/** The outcome of a publish is unknown: there was no response, or a 5xx. */
class UnknownOutcome extends Error {}

/** Returns an idempotency key: the server publishes an event once, even if it receives retries. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Publishes an event, and retries with the same key while the outcome is unknown. Throws an error
 * in the page's language, with the `status` of the response if there was one.
 *
 * @param {string} url
 * @param {object} event
 * @param {Record<string, number>} limits of the text of an error
 * @param {string} [key]
 * @param {() => void} [onRetry] called before each further attempt
 * @returns {Promise<any>} the event
 */
export async function publish(url, event, limits, key = newKey(), onRetry = () => {}) {
  for (const pause of PAUSES) {
    try {
      return await attempt(url, event, limits, key);
    } catch (error) {
      if (!(error instanceof UnknownOutcome)) throw error;
    }
    onRetry();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return attempt(url, event, limits, key);
}

/**
 * Starts a background task that publishes an announcement in every room. Throws an error in the
 * page's language.
 *
 * @param {string} url of the background tasks
 * @param {string} text
 * @param {Record<string, number>} limits of the text of an error
 */
export async function announce(url, text, limits) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ kind: "announcement", arguments: { text } }),
  }).catch(() => {
    throw new Error(gettext("The server cannot be reached."));
  });
  if (response.ok) return;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problemText({ ...problem, status: response.status }, limits));
}

async function attempt(url, event, limits, key) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": `"${key}"` },
      body: JSON.stringify(event),
    });
  } catch {
    throw new UnknownOutcome(gettext("The server cannot be reached."));
  }
  const { status } = response;
  if (status === 201) return response.json();
  const problem = await response.json().catch(() => ({}));
  const text = problemText({ ...problem, status }, limits);
  throw status >= 500 ? new UnknownOutcome(text) : Object.assign(new Error(text), { status });
}
