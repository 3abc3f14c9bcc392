import { Failure, parse } from "../../transports/failure.js";
import { Source } from "../../transports/source.js";

/**
 * The lane of the exercise `chat`: a WebSocket whose messages are single events, as in the Channels
 * tutorial.
 */
export class EventsSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    const address = this.address();
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      socket.addEventListener("open", () => this.opened());
      socket.addEventListener("message", ({ data }) => {
        this.received();
        this.deliver(data, parse(data).id);
      });
      socket.addEventListener("close", () =>
        reject(new Failure("lost", "The connection was lost.")),
      );
    }).finally(() => socket.close());
  }
}
