/** Failures between a source and its server. */

/** Milliseconds: the upper bound of a Retry-After. */
const LONGEST_RETRY_AFTER = 300_000;

/** Statuses below 500 that are temporary; any other is final (RFC 9110 §15.5). */
const TEMPORARY = new Set([408, 425, 429]);

/** The reason why an attempt ended. */
export class Failure extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ status?: number | null, retryAfter?: number, final?: boolean, isOfPage?: boolean,
   *   cause?: unknown }} [options] `isOfPage`: the page caused it, so that no back-off is needed
   */
  constructor(
    code,
    message,
    { status = null, retryAfter = 0, final = false, isOfPage = false, cause } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.final = final;
    this.isOfPage = isOfPage;
  }

  /** @param {unknown} error */
  static from(error) {
    if (error instanceof Failure) return error;
    return new Failure("lost", "The connection was lost.", { cause: error });
  }

  /**
   * The failure of a response other than 200, with the detail of its problem (RFC 9457), if any.
   *
   * @param {Response} response
   */
  static async of(response) {
    const { status, statusText, headers } = response;
    const problem = /[/+]json\b/.test(headers.get("Content-Type") ?? "")
      ? await response.json().catch(() => null)
      : null;
    const final = status >= 400 && status < 500 && !TEMPORARY.has(status);
    const reason = problem?.detail ?? `The server answered ${status} ${statusText}`.trim();
    return new Failure(final ? "refused" : "unavailable", String(reason), {
      status,
      final,
      retryAfter: retryAfter(headers.get("Retry-After")),
    });
  }
}

/**
 * Returns seconds or a date (RFC 9110 §10.2.3) as milliseconds from now.
 *
 * @param {string | null} value
 */
function retryAfter(value) {
  if (!value) return 0;
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(delay || 0, 0), LONGEST_RETRY_AFTER);
}

/**
 * Parses JSON from the server; throws a `Failure`.
 *
 * @param {string} text
 */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure("malformed", "The server sent something that is not JSON.", { cause });
  }
}
