/** The form that publishes. What was written stays until the server has taken it. */
import { knows, say } from "./strings.js";

const REMEMBERED = "realtime-demo.sender";

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} outcome
 * @param {string} url
 */
export function prepareComposer(form, outcome, url) {
  const { sender, text } = form.elements;
  if (!sender.readOnly) sender.value = remembered() || sender.value;
  const button = form.querySelector("button");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    outcome.className = "outcome";
    outcome.textContent = "";
    try {
      const limits = { text: text.maxLength, sender: sender.maxLength };
      await publish(url, { sender: sender.value, text: text.value }, limits);
      text.value = "";
      remember(sender.value);
    } catch (error) {
      outcome.classList.add("error");
      outcome.textContent = error.message;
    } finally {
      button.disabled = false;
      text.focus();
    }
  });
}

/** Throws an error in the page's words, or where it has none in the server's own. */
async function publish(url, event, limits) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(event),
    });
  } catch {
    throw new Error(say("unreachable"));
  }
  if (response.status !== 201) {
    const problem = await response.json().catch(() => ({}));
    const words = `refused_${problem.code}`;
    if (knows(words)) throw new Error(say(words, limits));
    throw new Error(problem.detail ?? `${response.status} ${response.statusText}`);
  }
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
