/** What an event says, and who says it, by its type. */
import { say } from "./strings.js";

const WORDS = {
  message: ({ sender, text }) => [sender, text],
  announcement: ({ text }) => [say("announcement"), text],
  edit: ({ sender, text }) => [sender, text],
  delete: ({ sender }) => [sender, say("deleted")],
  join: ({ sender }) => [sender, say("join")],
  leave: ({ sender }) => [sender, say("leave")],
  reset: ({ missed }) => [
    Number.isInteger(missed) ? say("reset", { missed }) : say("resetUnknown"),
    say("resetText"),
  ],
};

const ACTS = new Set(["join", "leave"]);

/** Whether there are words for events of its type; a newer server may know more. */
export const isWorded = ({ type }) => Object.hasOwn(WORDS, type);

/** @returns {[string, string]} the sender, and what is said */
export const wording = (event) => (isWorded(event) ? WORDS[event.type](event) : [event.sender, event.type]);

/** What is said is quoted; what is done is told. */
export const sentence = (event) => wording(event).join(ACTS.has(event.type) ? " " : ": ");
