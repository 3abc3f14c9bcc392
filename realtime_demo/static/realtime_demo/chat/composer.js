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

  /** Performs a button's action, which disables it meanwhile, and shows the error. */
  const perform = async (pressed, act) => {
    if (pressed.disabled) return;
    pressed.disabled = true;
    showError(outcome, "");
    try {
      await act();
    } catch (error) {
      showError(outcome, error.message);
    } finally {
      pressed.disabled = false;
      text.focus();
    }
  };

  const announceButton = form.querySelector("#announce");
  const announceText = async () => {
    await announce(urls.tasks, text.value, { text: text.maxLength });
    text.value = "";
  };
  announceButton?.addEventListener("click", () => perform(announceButton, announceText));

  const publishText = async () => {
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
  };
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    perform(button, publishText);
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
