/** The button that records the page to a file. */
import { now } from "../lib/clock.js";
import { recordingName, saveFile } from "../lib/save-file.js";
import { gettext, write } from "../lib/text.js";
import { toRecording } from "../replay/recording.js";

/**
 * @param {HTMLElement} button
 * @param {import("../lanes/timeline.js").Timeline} timeline
 * @param {import("./card.js").Card[]} cards in the order of the tracks
 * @param {object} page
 * @param {string} page.room
 * @param {() => Record<string, unknown>} page.settings
 * @param {(text: string) => void} page.note
 */
export function prepareRecordButton(button, timeline, cards, { room, settings, note }) {
  const { maxAge } = timeline;
  let from = 0;
  button.addEventListener("click", () => {
    const isRecording = button.getAttribute("aria-pressed") === "true";
    if (isRecording) {
      const lanes = cards.map(({ receiver, predicted }) => ({ technique: receiver.technique, predicted }));
      const recording = toRecording(timeline, lanes, { from, to: now(), room, settings: settings() });
      saveFile(`${recordingName(from)}.json`, JSON.stringify(recording), "application/json");
    } else {
      from = now();
      note(gettext("Recording starts"));
    }
    timeline.maxAge = isRecording ? maxAge : Infinity;
    button.setAttribute("aria-pressed", `${!isRecording}`);
    write(button, isRecording ? gettext("Record") : gettext("Stop and save"));
  });
}
