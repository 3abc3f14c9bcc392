/** Files for the reader's downloads. */
import { make } from "./dom.js";

/** @param {string} name @param {string} content @param {string} type */
export function saveFile(name, content, type) {
  const href = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href, download: name }).click();
  URL.revokeObjectURL(href);
}

/** The name of a recording's file, without its extension. @param {number} began Unix milliseconds */
export const recordingName = (began) => `realtime-demo-${new Date(began).toISOString().slice(0, 19).replaceAll(":", "-")}`;
