/** Requests to the server's APIs, whose bodies are JSON. */
import { problemText } from "./problem-text.js";
import { gettext } from "./text.js";

/**
 * Returns the document of the response. Throws an error in the page's language, with the `status`
 * of the response if there was one.
 *
 * @param {string} url
 * @param {RequestInit} [options]
 * @param {(problem: { status: number, code?: string, detail?: string }) => string} [textOf] the text of a problem
 * @returns {Promise<any>}
 */
export async function request(url, options, textOf = problemText) {
  const response = await fetch(url, options).catch(() => {
    throw new Error(gettext("The server cannot be reached."));
  });
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  const { status } = response;
  throw Object.assign(new Error(textOf({ ...document, status })), { status });
}

/** The options of a request that posts a document. @param {object} document @param {Record<string, string>} [headers] */
export const post = (document, headers) => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify(document),
});
