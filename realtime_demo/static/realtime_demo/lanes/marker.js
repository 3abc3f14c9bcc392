/** A shape for each technique, within a circle of radius 7 around 0 0, so that colour is not needed to tell them apart. */
const MARKERS = {
  polling: "M-6-6H6V6H-6Z",
  longpoll: "M0-7 7 6H-7Z",
  streaming: "M-7 0A7 7 0 1 0 7 0A7 7 0 1 0-7 0Z",
  sse: "M0-8 8 0 0 8-8 0Z",
  websocket: "M-2.5-7H2.5V-2.5H7V2.5H2.5V7H-2.5V2.5H-7V-2.5H-2.5Z",
};

/** The outline of a technique's marker, as SVG path data. @param {string} technique */
export const marker = (technique) => MARKERS[technique] ?? MARKERS.streaming;
