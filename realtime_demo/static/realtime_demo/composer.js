/** The form that publishes. What was written stays until the server has taken it. */
import { refusal } from "./refusals.js";
import { say } from "./strings.js";

const REMEMBERED = "realtime-demo.sender";
const PAUSES = [300, 900, 1_800]; // milliseconds, before it is tried again

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} outcome
 * @param {string} url
 * @param {(event: object) => void} published what the server made of it
 */
export function prepareComposer(form, outcome, url, published) {
  const { sender, text } = form.elements;
  if (!sender.readOnly) sender.value = remembered() || sender.value;
  const button = form.querySelector("button");
  // Pressed once more with the same words it is the same publish, which may have happened.
  let tried = { words: "", key: "" };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    tell(outcome, "");
    try {
      const limits = { text: text.maxLength, sender: sender.maxLength };
      const said = { sender: sender.value.trim(), text: text.value };
      const words = JSON.stringify(said);
      if (words !== tried.words) tried = { words, key: newKey() };
      published(await publish(url, said, limits, tried.key, () => tell(outcome, say("tryingAgain"))));
      tried = { words: "", key: "" };
      tell(outcome, "");
      if (text.value === said.text) text.value = ""; // and not what was begun meanwhile
      remember(said.sender);
    } catch (error) {
      tell(outcome, error.message);
    } finally {
      button.disabled = false;
      text.focus();
    }
  });
}

/** What went wrong, if anything. @param {HTMLElement} outcome @param {string} words */
export function tell(outcome, words) {
  outcome.classList.toggle("error", words !== "");
  outcome.textContent = words;
}

/** What may have happened, or not: an answer that never came, or one of a server in distress. */
class Uncertain extends Error {}

/** Of one publish, however often it is tried: the server takes it once. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Publishes, and tries again, under the same key, where it is uncertain whether it has. Throws
 * an error in the page's words, with the answer's `status` where there was one.
 *
 * @param {string} url
 * @param {object} event
 * @param {Record<string, number>} limits for the words
 * @param {string} [key]
 * @param {() => void} [again] called before each further try
 * @returns {Promise<any>} the event
 */
export async function publish(url, event, limits, key = newKey(), again = () => {}) {
  for (const pause of PAUSES) {
    try {
      return await attempt(url, event, limits, key);
    } catch (error) {
      if (!(error instanceof Uncertain)) throw error;
    }
    again();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return attempt(url, event, limits, key);
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
    throw new Uncertain(say("unreachable"));
  }
  const { status } = response;
  if (status === 201) return response.json();
  const problem = await response.json().catch(() => ({}));
  const words = refusal({ ...problem, status }, limits);
  throw status >= 500 ? new Uncertain(words) : Object.assign(new Error(words), { status });
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null; // storage is forbidden: then the name is typed anew
  }
}

function remember(name) {
  try {
    localStorage.setItem(REMEMBERED, name);
  } catch {
    // As above.
  }
}
