/** The form that publishes. It keeps its text until the server has accepted it. */
import { announce, newKey, publish } from "../lib/publish.js";
import { gettext } from "../lib/text.js";

const SENDER_KEY = "realtime-demo.sender"; // of localStorage

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} outcome
 * @param {{ publish: string, tasks: string }} urls
 * @param {(event: any) => void} onPublished called with the event from the server
 */
export function prepareComposer(form, outcome, urls, onPublished) {
  const { sender, text } = /** @type {Record<string, any>} */ (form.elements);
  if (!sender.readOnly) sender.value = storedSender() || sender.value;
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));
  // Submitting the same text again repeats a publish that may have succeeded, with the same key.
  let unconfirmed = { body: "", key: "" };

  const announceButton = /** @type {HTMLButtonElement | null} */ (form.querySelector("#announce"));
  announceButton?.addEventListener("click", async () => {
    announceButton.disabled = true;
    showError(outcome, "");
    try {
      await announce(urls.tasks, text.value, { text: text.maxLength });
      text.value = "";
    } catch (error) {
      showError(outcome, error.message);
    } finally {
      announceButton.disabled = false;
      text.focus();
    }
  });

  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    showError(outcome, "");
    try {
      const limits = { text: text.maxLength, sender: sender.maxLength };
      const event = { sender: sender.value.trim(), text: text.value };
      const body = JSON.stringify(event);
      if (body !== unconfirmed.body) unconfirmed = { body, key: newKey() };
      const onRetry = () => showError(outcome, gettext("The server cannot be reached. Trying again …"));
      onPublished(await publish(urls.publish, event, limits, unconfirmed.key, onRetry));
      unconfirmed = { body: "", key: "" };
      showError(outcome, "");
      if (text.value === event.text) text.value = ""; // unless something new was typed meanwhile
      storeSender(event.sender);
    } catch (error) {
      showError(outcome, error.message);
    } finally {
      button.disabled = false;
      text.focus();
    }
  });
}

/** Shows an error; "" removes it. @param {HTMLElement} outcome @param {string} message */
export function showError(outcome, message) {
  outcome.classList.toggle("error", message !== "");
  outcome.textContent = message;
}

function storedSender() {
  try {
    return localStorage.getItem(SENDER_KEY);
  } catch {
    return null; // storage is blocked: the name is not stored
  }
}

function storeSender(name) {
  try {
    localStorage.setItem(SENDER_KEY, name);
  } catch {
    // Storage is blocked: the name is not stored.
  }
}
