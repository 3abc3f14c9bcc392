/**
 * Listens for keyboard shortcuts, unless the focused element uses the key. They can be switched off
 * (WCAG 2.1.4), for speech input.
 *
 * @param {Record<string, (event: KeyboardEvent) => unknown>} keys by `KeyboardEvent.key`
 * @param {() => boolean} areEnabled
 */
export function listenForKeys(keys, areEnabled) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!Object.hasOwn(keys, key) || !areEnabled() || isInUse(target, key)) return;
    event.preventDefault();
    keys[key](event);
  });
  // A button that was clicked with a pointer would keep the focus, and be pressed again by a space
  // that is meant for the lanes. (A click by the keyboard has no detail: UI Events §3.5.)
  document.addEventListener("click", ({ detail, target }) => {
    if (detail > 0 && target instanceof Element) target.closest("button")?.blur();
  });
}

const TYPED = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog *";
const PRESSED = "button, a, summary, input";
const SCROLLED = "[data-scrolls]";

/** Whether the focused element uses the key itself. */
function isInUse(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.matches(TYPED)) return true;
  if (key === " " && target.matches(PRESSED)) return true;
  return /^(Arrow|Home|End)/.test(key) && target.matches(`[type=radio], ${SCROLLED}`);
}
