import { Failure, parse } from "../transports/failure.js";
import { Source } from "../transports/source.js";

/** A body part of multipart/x-mixed-replace for each event, read by hand. */
export class MultipartSource extends Source {
  /** @param {AbortSignal} signal */
  async receive(signal) {
    const { body, headers } = await this.request(signal);
    this.since ||= headers.get("Cursor") ?? "";
    this.opened();
    const decoder = new TextDecoder();
    let rest = "";
    for await (const data of body) {
      this.received();
      const parts = (rest + decoder.decode(data, { stream: true })).split("--event\r\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const [, json] = part.split("\r\n\r\n");
        if (json) this.deliver(json.trim(), parse(json).id);
      }
    }
    throw new Failure("ended", "The server ended the stream.");
  }
}
