import { format, ngettext, write } from "../lib/text.js";

/**
 * Shows how many devices are connected to the demo.
 *
 * @param {Element} element
 * @param {import("../lib/demo-control.js").DemoControl} demo
 */
export function showDevices(element, demo) {
  demo.addEventListener("state", (/** @type {any} */ { detail: { devices: count } }) => {
    write(element, format(ngettext("{count} device connected", "{count} devices connected", count), { count }));
  });
}
