/** The button that records the page to a file. */
import { now } from "../lib/clock.js";
import { make } from "../lib/dom.js";
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
      save(`realtime-demo-${new Date(from).toISOString().slice(0, 19).replaceAll(":", "-")}.json`, recording);
    } else {
      from = now();
      note(gettext("Recording starts"));
    }
    timeline.maxAge = isRecording ? maxAge : Infinity;
    button.setAttribute("aria-pressed", `${!isRecording}`);
    write(button, isRecording ? gettext("Record") : gettext("Stop and save"));
  });
}

function save(name, recording) {
  const href = URL.createObjectURL(new Blob([JSON.stringify(recording)], { type: "application/json" }));
  make("a", { href, download: name }).click();
  URL.revokeObjectURL(href);
}
