/**
 * Runs the page in one tab at a time: a tab holds three of the six connections that a browser
 * opens to one host over HTTP/1.1 (RFC 9112 §9.4).
 */
const NAME = "realtime-demo";
const ANSWER_TIMEOUT = 1_000; // milliseconds
const QUESTION = "is a tab running?";
const ANSWER = "running";

/**
 * Calls `onHeld` when this tab may run, and `onDenied` when another tab runs.
 * Returns the function that takes over. With HTTP/2, whose requests share one connection, every tab may run.
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

/** Uses a lock (https://www.w3.org/TR/web-locks/). */
function byLock(onHeld, onDenied) {
  const hold = () => {
    onHeld();
    return new Promise(() => {}); // until the tab is closed or another takes over
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
 * Uses messages between the tabs: over plain http from another machine, browsers have no locks. A
 * waiting tab repeats its request, and runs once no tab answers; of two running tabs, the one that
 * sent the last message continues.
 */
function byMessage(onHeld, onDenied) {
  const channel = new BroadcastChannel(NAME);
  let isRunning = false;
  let timer;
  const run = () => {
    clearTimeout(timer);
    isRunning = true;
    channel.postMessage(ANSWER);
    onHeld();
  };
  const ask = () => {
    channel.postMessage(QUESTION);
    timer = setTimeout(run, ANSWER_TIMEOUT * (0.5 + Math.random() / 2)); // so that two tabs do not start at once
  };
  channel.addEventListener("message", ({ data }) => {
    if (data === QUESTION) {
      if (isRunning) channel.postMessage(ANSWER);
      return;
    }
    isRunning = false;
    onDenied();
    clearTimeout(timer);
    timer = setTimeout(ask, ANSWER_TIMEOUT);
  });
  ask();
  return run;
}
