import { Failure, parse } from "../transports/failure.js";
import { CLOSED, Source } from "../transports/source.js";

/**
 * WebSocket (RFC 6455): one connection in both directions. The server sends batches; the client
 * can also publish, and join further rooms on the same socket. Browsers neither reconnect nor
 * resume a WebSocket: this source does, for every room joined.
 *
 * The contract (events, `since`, `readyState`, `close()`) is that of transports/source.js;
 * `since` is the cursor of the room in the URL.
 */

/** Close codes after which a retry would fail too (RFC 6455 §7.4.1; 4xxx are the server's). */
const isFinal = (/** @type {number} */ code) =>
  code === 1008 || (code >= 4400 && code < 4500 && code !== 4408 && code !== 4429);

const SERVICE_RESTART = 1012;

export class WebSocketSource extends Source {
  /** @type {WebSocket | undefined} */
  #socket;
  /** Cursors of the joined rooms other than the URL's. @type {Map<string, string>} */
  #joined = new Map();
  #room;
  #protocols;

  /**
   * @param {string | URL} url of http or ws
   * @param {import("../transports/source.js").SourceOptions & { token?: string }} [options]
   *   `token`: authenticates instead of a session. Browsers can send it only among a socket's
   *   subprotocols, of which the server accepts the first
   */
  constructor(url, { token = "", ...options } = {}) {
    super(url, options);
    this.#protocols = token ? ["realtime.v1", `token.${token}`] : [];
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.#room = this.url.pathname.split("/").filter(Boolean).at(-1);
  }

  /**
   * Publishes an event. Throws an `InvalidStateError` while there is no connection; a problem
   * that the server reports is dispatched as an `error` event.
   *
   * @param {string} room
   * @param {string} text
   * @param {string} [sender] the name of an anonymous user
   */
  publish(room, text, sender) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      throw new DOMException("There is no connection to publish on.", "InvalidStateError");
    }
    this.#send({ type: "publish", room, text, sender });
  }

  /**
   * Joins another room, now and after every reconnection.
   *
   * @param {string} room
   * @param {string} [since]
   */
  join(room, since = "") {
    this.#joined.set(room, since);
    this.#send({ type: "join", room, ...(since && { since }) });
  }

  /**
   * Edits one of the user's own events, by publishing an `edit`; without `text`, deletes it.
   *
   * @param {string} room
   * @param {string} of the event's id
   * @param {string} [text]
   */
  change(room, of, text) {
    this.#send(text ? { type: "edit", room, of, text } : { type: "delete", room, of });
  }

  /** @param {string} room a joined room */
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
    this.received();
    if (message.type === "error") {
      const { code, detail } = message;
      this.report({ code, reason: detail, status: null, retryIn: null });
    } else if (message.room === this.#room) {
      this.deliverBatch(message);
    } else if (this.#joined.has(message.room)) {
      for (const event of message.events) {
        // A listener may have closed the source, or left the room.
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
      this.received(); // an orderly close: reset the back-off; jitter spreads the clients
      return new Failure("ended", reason || "The server is restarting.", { status: code });
    }
    const final = isFinal(code);
    const kind = final ? "refused" : reason ? "unavailable" : "lost";
    return new Failure(kind, reason || "The connection was lost.", { status: code, final });
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
