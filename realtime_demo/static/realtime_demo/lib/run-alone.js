/**
 * One tab at a time: a tab of this page holds three of the six connections that a browser
 * opens to one host over HTTP/1.1 (RFC 9112 §9.4).
 */
const NAME = "realtime-demo";
const ANSWER = 1_000; // milliseconds in which a running tab has answered

/**
 * Calls `onHeld` whenever this tab may run and `onDenied` whenever another one does.
 * Returns the function that takes over. Where HTTP/2 shares one connection every tab may run.
 *
 * @param {() => void} onHeld
 * @param {() => void} onDenied
 * @returns {() => void}
 */
export function runAlone(onHeld, onDenied) {
  /** @type {any[]} */
  const [navigation] = performance.getEntriesByType("navigation");
  if (navigation?.nextHopProtocol === "h2") {
    onHeld();
    return () => {};
  }
  return (navigator.locks ? byLock : byMessage)(onHeld, onDenied);
}

/** By a lock (https://www.w3.org/TR/web-locks/). */
function byLock(onHeld, onDenied) {
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

/**
 * By messages between the tabs: over plain http from another machine a browser has no locks. A
 * waiting tab asks again and again, and runs once none answers; of two that run, the last to say so
 * goes on.
 */
function byMessage(onHeld, onDenied) {
  const channel = new BroadcastChannel(NAME);
  let isRunning = false;
  let timer;
  const run = () => {
    clearTimeout(timer);
    isRunning = true;
    channel.postMessage("runs");
    onHeld();
  };
  const ask = () => {
    channel.postMessage("who");
    timer = setTimeout(run, ANSWER * (0.5 + Math.random() / 2)); // no two of them at once
  };
  channel.addEventListener("message", ({ data }) => {
    if (data === "who") {
      if (isRunning) channel.postMessage("runs");
      return;
    }
    isRunning = false;
    onDenied();
    clearTimeout(timer);
    timer = setTimeout(ask, ANSWER);
  });
  ask();
  return run;
}
