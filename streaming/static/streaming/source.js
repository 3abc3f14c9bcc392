import { Failure, parse } from "../transports/failure.js";
import { Source } from "../transports/source.js";

/**
 * Streaming (RFC 6202 §3): one response that never ends carries every event. Two framings:
 * NDJSON, read by hand, and Server-Sent Events, read by the browser.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js.
 */

/** Newline-delimited JSON: one event on each line; a blank line is a heartbeat. */
export class StreamingSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    const { body, headers } = await this.request(signal);
    this.since ||= headers.get("Cursor") ?? "";
    this.opened();
    for await (const line of lines(body, () => this.received())) {
      if (line) this.deliver(line, parse(line).id);
    }
    throw new Failure("ended", "The server ended the stream.");
  }
}

/**
 * Yields the complete lines of a response, whatever its chunks. An incomplete line at the end is
 * discarded: the next request resumes before its event. Only "\n" ends a line; U+2028 and U+2029
 * are data.
 *
 * @param {ReadableStream<Uint8Array> | null} body
 * @param {() => void} received called whenever bytes arrive
 */
export async function* lines(body, received) {
  if (!body) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    received();
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/**
 * Server-Sent Events through the browser's `EventSource`, which parses the stream, reconnects
 * after `retry:` and resumes with Last-Event-ID. It stops on a status other than 200 or
 * a wrong content type, without reporting which. This source then requests the stream itself to
 * get the reason, and reopens it if the problem is temporary.
 *
 * `EventSource` does not expose where the stream began. So a source without a cursor first gets
 * one with a HEAD request, usually on the connection that `EventSource` then uses: it can resume
 * even if the connection is lost before the first event.
 *
 * Heartbeats are comments, which `EventSource` does not expose: an idle stream and a dead one
 * look the same.
 */
export class ServerSentEventsSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    if (this.since || (await this.#requestCursor(signal))) await this.#follow(signal);
    const { body, headers } = await this.request(signal); // throws the problem, which has a body
    this.since ||= headers.get("Cursor") ?? "";
    await body?.cancel();
    throw new Failure("ended", "The browser closed the stream.");
  }

  /** Gets the cursor of the stream; resolves to whether it succeeded. @param {AbortSignal} signal */
  async #requestCursor(signal) {
    try {
      const { headers } = await this.request(signal, {}, "HEAD");
      this.since = headers.get("Cursor") ?? "";
      return true;
    } catch {
      return false; // a HEAD response has no body with the problem
    } finally {
      this.unlisten();
    }
  }

  /** Delivers events until the browser closes the stream. @param {AbortSignal} signal */
  async #follow(signal) {
    const withCredentials = this.credentials === "include";
    // Without `unnamed`, an event with a name would reach only listeners of that name.
    const native = new EventSource(this.address({ unnamed: "" }), { withCredentials });
    await new Promise((/** @type {(value?: unknown) => void} */ resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      native.addEventListener("open", () => this.opened());
      native.addEventListener("message", ({ data, lastEventId }) => {
        this.received();
        this.deliver(data, lastEventId);
      });
      native.addEventListener("error", () => {
        if (native.readyState === EventSource.CLOSED) return resolve();
        // `EventSource` reconnects by itself, at a time that it does not report.
        this.interrupted(new Failure("lost", "The connection was lost."), null);
      });
    }).finally(() => native.close());
  }
}
