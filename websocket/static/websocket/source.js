import { Failure, parse } from "../transports/failure.js";
import { CLOSED, Source } from "../transports/source.js";

/**
 * WebSocket (RFC 6455): one connection, both ways. The server sends batches; the client may
 * also publish, and join further rooms on the same socket. The browser neither reconnects nor
 * resumes a WebSocket: this source does, for every room joined.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js;
 * `since` is the cursor of the room in the URL.
 */

/** Close codes after which asking again is pointless (RFC 6455 §7.4.1; 4xxx are the server's). */
const isFinal = (/** @type {number} */ code) =>
  code === 1008 || (code >= 4400 && code < 4500 && code !== 4408 && code !== 4429);

const SERVICE_RESTART = 1012;

export class WebSocketSource extends Source {
  /** @type {WebSocket | undefined} */
  #socket;
  /** Cursors of the rooms joined besides the URL's. @type {Map<string, string>} */
  #joined = new Map();
  #room;
  #protocols;

  /**
   * @param {string | URL} url of http or ws
   * @param {import("../transports/source.js").SourceOptions & { token?: string }} [options]
   *   `token`: to come in with in place of a session. A browser's socket has no other header
   *   for it than its subprotocols, of which the server accepts the first
   */
  constructor(url, { token = "", ...options } = {}) {
    super(url, options);
    this.#protocols = token ? ["realtime.v1", `token.${token}`] : [];
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.#room = this.url.pathname.split("/").filter(Boolean).at(-1);
  }

  /**
   * Publishes an event. Throws an `InvalidStateError` while there is no connection; a refusal
   * by the server comes as an `error` event.
   *
   * @param {string} room
   * @param {string} text
   * @param {string} [sender] the name of someone who is not logged in
   */
  publish(room, text, sender) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      throw new DOMException("There is no connection to publish on.", "InvalidStateError");
    }
    this.#send({ type: "publish", room, text, sender });
  }

  /**
   * Receives a further room's events too, from now on and after every reconnection.
   *
   * @param {string} room
   * @param {string} [since]
   */
  join(room, since = "") {
    this.#joined.set(room, since);
    this.#send({ type: "join", room, ...(since && { since }) });
  }

  /**
   * Changes what one published oneself, for everyone: as an event more. Without a text it is
   * deleted.
   *
   * @param {string} room
   * @param {string} of the event's id
   * @param {string} [text]
   */
  change(room, of, text) {
    this.#send(text ? { type: "edit", room, of, text } : { type: "delete", room, of });
  }

  /** @param {string} room one that was joined */
  leave(room) {
    this.#joined.delete(room);
    this.#send({ type: "leave", room });
  }

  /** @param {AbortSignal} signal */
  async receive(signal) {
    const socket = (this.#socket = new WebSocket(this.address(), this.#protocols));
    this.listen(); // the server's empty batches are its heartbeat
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      socket.addEventListener("open", () => {
        if (signal.aborted) return;
        for (const [room, since] of this.#joined) this.join(room, since);
        this.opened();
      });
      socket.addEventListener("message", ({ data }) => {
        try {
          if (!signal.aborted) this.#read(parse(data));
        } catch (failure) {
          reject(failure);
        }
      });
      socket.addEventListener("close", ({ code, reason }) => reject(this.#closed(code, reason)));
    }).finally(() => socket.close());
  }

  /** @param {any} message */
  #read(message) {
    this.heard();
    if (message.type === "error") {
      const { code, detail } = message;
      this.report({ code, reason: detail, status: null, retryIn: null });
    } else if (message.room === this.#room) {
      this.deliverBatch(message);
    } else if (this.#joined.has(message.room)) {
      for (const event of message.events) {
        // A listener may have closed it, or left the room.
        if (this.readyState === CLOSED || !this.#joined.has(message.room)) return;
        this.#joined.set(message.room, event.id);
        this.dispatch(JSON.stringify(event), event.id);
      }
      if (this.#joined.has(message.room)) this.#joined.set(message.room, message.cursor);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    if (code === SERVICE_RESTART) {
      this.heard(); // it said goodbye: come back soon, the jitter spreads the crowd
      return new Failure("ended", reason || "The server is restarting.", { status: code });
    }
    const final = isFinal(code);
    const word = final ? "refused" : reason ? "unavailable" : "lost";
    return new Failure(word, reason || "The connection was lost.", { status: code, final });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
