/** What goes wrong between a source and its server, in one shape. */

/** Milliseconds: a server that asks for more is asked again sooner. */
const LONGEST_RETRY_AFTER = 300_000;

/** Statuses below 500 that may pass by themselves; any other is final (RFC 9110 §15.5). */
const PASSING = new Set([408, 425, 429]);

/** Why an attempt ended. */
export class Failure extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ status?: number | null, retryAfter?: number, final?: boolean, cause?: unknown }} [options]
   */
  constructor(code, message, { status = null, retryAfter = 0, final = false, cause } = {}) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.final = final;
  }

  /** @param {unknown} error */
  static from(error) {
    if (error instanceof Failure) return error;
    return new Failure("lost", "The connection was lost.", { cause: error });
  }

  /**
   * The failure that a response which is not 200 stands for, in the words of its problem
   * details (RFC 9457) where it has any.
   *
   * @param {Response} response
   */
  static async of(response) {
    const { status, statusText, headers } = response;
    const problem = /[/+]json\b/.test(headers.get("Content-Type") ?? "")
      ? await response.json().catch(() => null)
      : null;
    const final = status >= 400 && status < 500 && !PASSING.has(status);
    const reason = problem?.detail ?? `The server answered ${status} ${statusText}`.trim();
    return new Failure(final ? "refused" : "unavailable", String(reason), {
      status,
      final,
      retryAfter: retryAfter(headers.get("Retry-After")),
    });
  }
}

/**
 * Seconds or a date (RFC 9110 §10.2.3), as milliseconds from now.
 *
 * @param {string | null} value
 */
function retryAfter(value) {
  if (!value) return 0;
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(delay || 0, 0), LONGEST_RETRY_AFTER);
}

/**
 * JSON from the server; throws a `Failure`.
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
