/** Problems that the server reports (RFC 9457), in the page's language. */
import { format, gettext } from "./text.js";

const SERVER_LANGUAGE = "en"; // of `detail`, which is more exact than the texts here
const CLOSE_CODES = 4_000; // what a WebSocket's close code adds to the status it stands for

const BY_CODE = {
  text: gettext("'text' is a text of 1 to {text} characters."),
  sender: gettext("'sender' is a text of 1 to {sender} characters."),
  rate: gettext("Too many in too short a time; try again in a moment."),
  unavailable: gettext("The feed cannot be reached now; please try again."),
  session: gettext("The session has ended: log in again."),
  elsewhere: gettext("The stage is controlled from the machine it runs on."),
  csrf: gettext("This page is no longer the one that the server knows: load it again."),
};
const BY_STATUS = {
  400: gettext("This value is not possible."),
  401: gettext("Log in first."),
  403: gettext("This is not allowed here."),
  404: gettext("There is no such thing any more."),
  409: gettext("This was published before, and is kept no longer."),
  413: gettext("This is too much at once."),
  429: gettext("Too many at once; close one, or wait a moment."),
  500: gettext("Something went wrong on the server."),
  503: gettext("The server cannot do this now; please try again."),
};

/**
 * @param {object} problem
 * @param {string} [problem.code]
 * @param {number | null} [problem.status] or a WebSocket's close code
 * @param {string} [problem.detail]
 * @param {Record<string, unknown>} [values] for the text
 */
export function problemText({ code, status, detail }, values = {}) {
  if (Object.hasOwn(BY_CODE, code)) return format(BY_CODE[code], values);
  const general = BY_STATUS[status >= CLOSE_CODES ? status - CLOSE_CODES : status];
  if (detail && (document.documentElement.lang === SERVER_LANGUAGE || !general)) return detail;
  return general ?? format(gettext("The server refused it, with status {status}."), { status });
}
