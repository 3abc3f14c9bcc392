/** The texts of events, by type. */
import { format, gettext, ngettext } from "./text.js";

const BY_TYPE = {
  message: ({ sender, text }) => [sender, text],
  announcement: ({ text }) => [gettext("Announcement"), text],
  edit: ({ sender, text }) => [sender, text],
  delete: ({ sender }) => [sender, gettext("deleted")],
  join: ({ sender }) => [sender, gettext("joined")],
  leave: ({ sender }) => [sender, gettext("left")],
  reset: ({ missed }) => [
    Number.isInteger(missed)
      ? format(ngettext("{missed} event missed", "{missed} events missed", missed), { missed })
      : gettext("Events missed, number unknown"),
    gettext("The server no longer has the events before this one."),
  ],
};

const ACTIONS = new Set(["join", "leave"]);

/** Whether the type is known; a newer server may send others. */
export const isKnown = ({ type }) => Object.hasOwn(BY_TYPE, type);

/** @returns {[string, string]} */
export const senderAndText = (event) => (isKnown(event) ? BY_TYPE[event.type](event) : [event.sender, event.type]);

/** "ada: hello" or "ada joined". */
export const sentence = (event) => senderAndText(event).join(ACTIONS.has(event.type) ? " " : ": ");
