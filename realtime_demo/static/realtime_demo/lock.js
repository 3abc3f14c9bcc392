/**
 * One tab at a time: a tab of this page holds three of the six connections that a browser
 * opens to one host over HTTP/1.1 (https://www.w3.org/TR/web-locks/).
 */
const NAME = "realtime-demo";

/**
 * Calls `onHeld` whenever this tab may run and `onDenied` whenever another one does.
 * Returns the function that takes over. Where the browser has no locks (plain http from
 * another host), or HTTP/2 shares one connection, every tab may run.
 *
 * @param {() => void} onHeld
 * @param {() => void} onDenied
 * @returns {() => void}
 */
export function runAlone(onHeld, onDenied) {
  const [navigation] = performance.getEntriesByType("navigation");
  if (!navigator.locks || navigation?.nextHopProtocol === "h2") {
    onHeld();
    return () => {};
  }

  const hold = () => {
    onHeld();
    return new Promise(() => {}); // for as long as the tab lives, or until it is taken over
  };
  const request = async (/** @type {LockOptions} */ options) => {
    try {
      await navigator.locks.request(NAME, options, (lock) => (lock ? hold() : undefined));
    } catch {
      // Taken over by another tab.
    }
    onDenied();
  };
  const queue = () => request({}).then(queue); // granted when the tab that runs is closed

  request({ ifAvailable: true }).then(queue);
  return () => request({ steal: true });
}
