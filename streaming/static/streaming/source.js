import { Failure, parse } from "../transports/failure.js";
import { Source } from "../transports/source.js";

/**
 * Streaming (RFC 6202 §3): one response that never ends carries every event. Two framings:
 * NDJSON, read by hand, and Server-Sent Events, read by the browser.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js.
 */

/** One event a line; a blank line now and then shows that the server still lives. */
export class StreamingSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    const { body, headers } = await this.request(signal);
    this.since ||= headers.get("Cursor") ?? "";
    this.opened();
    for await (const line of lines(body, () => this.heard())) {
      if (line) this.deliver(line, parse(line).id);
    }
    throw new Failure("ended", "The server ended the stream.");
  }
}

/**
 * The whole lines of a response, however the network cut it. What follows the last line feed
 * of a response that broke off is no line: its event is asked for again. Only "\n" ends a line;
 * U+2028 and U+2029 are data.
 *
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {() => void} heard called whenever bytes arrive
 */
export async function* lines(body, heard) {
  if (!body) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/**
 * The browser's own `EventSource`, which frames, reconnects after `retry:` and resumes with
 * Last-Event-ID. Left to itself it gives up for good on a status other than 200 or a wrong
 * content type, and does not say which it was; here it is asked, and a stream that may come
 * back is opened again.
 *
 * Nor does it say where the stream began, which it forgets when it gives up. So a stream without a
 * place is asked for one first, by a HEAD, as a rule on the connection that `EventSource` goes on
 * to use: whoever is cut before an event came resumes all the same.
 *
 * Its heartbeats are comments, which `EventSource` keeps to itself: a silent stream cannot be
 * told from a dead one.
 */
export class ServerSentEventsSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    if (this.since || (await this.#findPlace(signal))) await this.#follow(signal);
    const { body, headers } = await this.request(signal); // throws what neither of them would tell
    this.since ||= headers.get("Cursor") ?? "";
    await body?.cancel();
    throw new Failure("ended", "The browser gave the stream up.");
  }

  /** Whether the server would stream. @param {AbortSignal} signal */
  async #findPlace(signal) {
    try {
      const { headers } = await this.request(signal, {}, "HEAD");
      this.since = headers.get("Cursor") ?? "";
      return true;
    } catch {
      return false; // with no body in which to say why
    } finally {
      this.unlisten();
    }
  }

  /** Until the browser gives it up. @param {AbortSignal} signal */
  async #follow(signal) {
    const native = new EventSource(this.address());
    await new Promise((/** @type {(value?: unknown) => void} */ resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      native.addEventListener("open", () => this.opened());
      native.addEventListener("message", ({ data, lastEventId }) => {
        this.heard();
        this.deliver(data, lastEventId);
      });
      native.addEventListener("error", () => {
        if (native.readyState === EventSource.CLOSED) return resolve();
        // It reconnects by itself, when it sees fit.
        this.interrupted(new Failure("lost", "The connection was lost."), null);
      });
    }).finally(() => native.close());
  }
}
