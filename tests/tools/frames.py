"""The page's frame rate under a fast feed: `python -m tests.tools.frames [rate] [seconds]`.

Starts the demo, which publishes `rate` events a second (100). The lanes show a window of a minute
for `seconds` (60), then of half a minute, then of ten seconds. An empty page in the same Chromium
counts its frames too: no page can have more on this machine under this load. Prints for each page:

`frames`   frames a second
`drawn`    the share of the screen's refreshes (60 a second) that had a frame, by the time that
           `requestAnimationFrame` gives to the callback
`in time`  the share of callbacks that ran within 17 ms of the previous one, by the clock: a frame
           may be late and still not miss a refresh
`gaps`     milliseconds between two callbacks: median, 95th and 99th percentile, the longest

and the run time of JavaScript for each frame. Headless Chromium draws a canvas on the CPU, so a
browser with a GPU is at least as fast.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")

from playwright.async_api import CDPSession

from tests.support.chromium import chromium
from tests.support.demo import Demo
from tests.support.page import all_lanes

# Fills the lanes with events as if received, and draws them; returns the time of a frame and the
# number of marks it drew.
DRAW = """async ([rate, seconds, frames]) => {
  const { Timeline } = await import("/static/realtime_demo/lanes/timeline.js");
  const { Lanes } = await import("/static/realtime_demo/lanes/lanes.js");
  const { Deliveries } = await import("/static/realtime_demo/sources/deliveries.js");
  const elements = [...document.querySelectorAll(".board .lane[data-technique]")];
  const timeline = new Timeline(elements.length);
  const rows = elements.map((element, index) => ({
    element,
    receiver: {
      technique: { name: element.dataset.technique, label: "" },
      track: timeline.tracks[index],
      deliveries: new Deliveries(),
      delays: { figures: { median: 1, p95: 1 } },
    },
  }));
  const lanes = new Lanes(document.getElementById("lanes"), timeline, rows);
  lanes.window = 60;
  const end = Date.now();
  const start = end - seconds * 1000;
  for (const track of timeline.tracks) {
    Object.assign(track, { since: start, isRunning: true, isStream: track.index > 1 });
  }
  for (let number = 0; number < rate * seconds; number += 1) {
    const published = start + (number * 1000) / rate;
    const event = { id: `a-${number + 1}`, type: "message", sender: "ada", text: "hi" };
    for (const track of timeline.tracks) {
      const arrived = published + (track.index ? 3 : 500);
      if (track.index < 2) track.finish(track.begin(published), arrived, true);
      timeline.arrive(track, event, arrived, published);
    }
  }
  const times = [];
  for (let frame = 0; frame < frames; frame += 1) {
    const began = performance.now();
    lanes.draw(end);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const milliseconds = [times[0], times[times.length >> 1]];
  const exchanges = Math.max(...timeline.tracks.map((track) => track.exchanges.length));
  return { marks: lanes.pen.markCount, width: lanes.width, lanes: rows.length, milliseconds,
           occurrences: timeline.occurrences.length, exchanges };
}"""

FRAMES = """(seconds) => new Promise((resolve) => {
  const REFRESH = 1000 / 60;
  const gaps = [];
  let [due, first, before, last] = [0, NaN, NaN, NaN];
  const until = performance.now() + seconds * 1000;
  requestAnimationFrame(function frame(time) {
    const at = performance.now();
    if (Number.isNaN(first)) first = at;
    else {
      gaps.push(at - last);
      due += Math.max(1, Math.round((time - before) / REFRESH));
    }
    [before, last] = [time, at];
    if (at < until) return requestAnimationFrame(frame);
    const drawn = gaps.length / due;
    const inTime = gaps.filter((gap) => gap < 17).length / gaps.length;
    gaps.sort((a, b) => a - b);
    const share = (part) => Number(gaps[Math.floor(part * (gaps.length - 1))].toFixed(1));
    resolve({ count: gaps.length, perSecond: (1000 * gaps.length) / (last - first), drawn, inTime,
              gaps: [share(0.5), share(0.95), share(0.99), share(1)] });
  });
})"""


async def main(rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder), "--no-conversation") as demo:
        async with chromium() as browser:
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            empty = await (await browser.new_context()).new_page()
            show("an empty page, nothing else", await empty.evaluate(FRAMES, 5))
            page = await context.new_page()
            await page.goto(f"{demo.url}/?room=fast&rate={rate:g}&window=60")
            await all_lanes(page, "open")
            drawn = await page.evaluate(DRAW, [rate, 70, 200])
            print("one picture of a full minute (least and median ms):", drawn)
            await page.locator('[data-do="feed"]').click()
            devtools = await context.new_cdp_session(page)
            await devtools.send("Performance.enable")
            for window in [60] * max(1, round(seconds / 10)) + [30, 10]:
                await page.locator(f'[name=window][value="{window}"]').check(force=True)
                before = await script_seconds(devtools)
                # In separate windows, so that both are visible.
                beside, alone = await asyncio.gather(
                    page.evaluate(FRAMES, 10), empty.evaluate(FRAMES, 10)
                )
                script_time = 1000 * (await script_seconds(devtools) - before) / beside["count"]
                show(f"the page, {window} s; JavaScript {script_time:.1f} ms a frame", beside)
                show("an empty page beside it", alone)
                ratios = [
                    100 * beside[name] / alone[name] for name in ("perSecond", "drawn", "inTime")
                ]
                print("  ratio of the two: " + ", ".join(f"{ratio:.0f} %" for ratio in ratios))


def show(page: str, measured: dict[str, Any]) -> None:
    drawn, in_time = 100 * measured["drawn"], 100 * measured["inTime"]
    print(
        f"{page}: {measured['perSecond']:.1f} frames a second, drawn {drawn:.1f} %, "
        f"in time {in_time:.1f} %, gaps {measured['gaps']} ms",
        flush=True,
    )


async def script_seconds(devtools: CDPSession) -> float:
    """Return the run time of the page's scripts, in seconds."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "ScriptDuration")


if __name__ == "__main__":
    asyncio.run(main(*map(float, (sys.argv[1:] + ["100", "60"][len(sys.argv) - 1 :])[:2])))
