/** Problems that the server reports (RFC 9457), in the page's language. */
import { format, gettext } from "./text.js";

const SERVER_LANGUAGE = "en"; // of `detail`, which is more exact than these texts
const CLOSE_CODE_OFFSET = 4_000; // a WebSocket's close code is this plus a status

const BY_CODE = {
  text: gettext("The text must have 1 to {text} characters."),
  sender: gettext("The name must have 1 to {sender} characters."),
  rate: gettext("Too many messages in a short time. Try again in a moment."),
  unavailable: gettext("The feed cannot be reached. Please try again."),
  session: gettext("The session has ended: log in again."),
  elsewhere: gettext("The demo is controlled on the machine that runs it."),
  worker: gettext("No worker runs. Start one: manage.py runworker background-tasks"),
  csrf: gettext("This page is out of date. Reload it."),
};
const BY_STATUS = {
  400: gettext("This value is not valid."),
  401: gettext("Log in first."),
  403: gettext("This is not allowed here."),
  404: gettext("It does not exist any more."),
  409: gettext("This was already published, and is no longer stored."),
  413: gettext("This is too large."),
  429: gettext("Too many requests or connections. Close one, or wait a moment."),
  500: gettext("Something went wrong on the server."),
  503: gettext("The server cannot do this now; please try again."),
};

/**
 * Returns the text of a problem.
 *
 * @param {object} problem
 * @param {string} [problem.code]
 * @param {number | null} [problem.status] or a WebSocket's close code
 * @param {string} [problem.detail]
 * @param {Record<string, unknown>} [values] of the text's placeholders
 */
export function problemText({ code, status, detail }, values = {}) {
  if (Object.hasOwn(BY_CODE, code)) return format(BY_CODE[code], values);
  const general = BY_STATUS[status >= CLOSE_CODE_OFFSET ? status - CLOSE_CODE_OFFSET : status];
  if (detail && (document.documentElement.lang === SERVER_LANGUAGE || !general)) return detail;
  return general ?? format(gettext("The server rejected it with status {status}."), { status });
}
