/** Publishing by HTTP. */
import { problemText } from "./problem-text.js";
import { post, request } from "./request.js";

const PAUSES = [300, 900, 1_800]; // milliseconds before the second, third and fourth attempt

/** Returns an idempotency key: the server publishes an event once, even if it receives retries. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Publishes an event. Retries with the same key while the outcome is unknown: there was no response,
 * or a 5xx. Throws the error of `request`.
 *
 * @param {string} url
 * @param {object} event
 * @param {Record<string, number>} limits of the text of an error
 * @param {string} [key]
 * @param {() => void} [onRetry] called before each further attempt
 * @returns {Promise<any>} the event
 */
export async function publish(url, event, limits, key = newKey(), onRetry = () => {}) {
  const options = post(event, { "Idempotency-Key": `"${key}"` });
  const attempt = () => request(url, options, (problem) => problemText(problem, limits));
  for (const pause of PAUSES) {
    try {
      return await attempt();
    } catch (error) {
      if (error.status < 500) throw error;
    }
    onRetry();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return attempt();
}

/**
 * Starts a background task that publishes an announcement in every room. Throws the error of
 * `request`.
 *
 * @param {string} url of the background tasks
 * @param {string} text
 * @param {Record<string, number>} limits of the text of an error
 */
export async function announce(url, text, limits) {
  const task = { kind: "announcement", arguments: { text } };
  await request(url, post(task), (problem) => problemText(problem, limits));
}
