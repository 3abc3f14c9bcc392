"""How long frames take under a fast feed: `python -m tests.tools.frames [rate] [seconds]`.

Starts the demo, lets it publish `rate` events a second (100) for `seconds` (60) and shows a minute
of them in all lanes; then half a minute, then ten seconds. At the same time an empty page in the
same Chromium counts its own frames: more than that one no page gets on this machine under this
load. Of each it prints what the browser says:

`frames`   how many there were in a second
`made`     the share of the screen's refreshes (60 a second) for which there was one, by the frames'
           own times: the argument of `requestAnimationFrame`'s callback
`in time`  the share that began within 17 ms of the one before, by the clock when the callback ran:
           the hundredths by which one is late count here, though they miss no refresh
`gaps`     milliseconds between two callbacks: median, 95th and 99th percentile, the longest

and for how long JavaScript ran for each frame. Headless and without a GPU, a canvas is drawn by the
processor, so a screen does no worse.
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

# Fills the lanes with events as they would have come, and draws them; what a frame took, and how
# many marks it drew.
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
  return { marks: lanes.marks, width: lanes.width, lanes: rows.length, milliseconds,
           kept: timeline.occurrences.length, exchanges };
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
    const made = gaps.length / due;
    const inTime = gaps.filter((gap) => gap < 17).length / gaps.length;
    gaps.sort((a, b) => a - b);
    const share = (part) => Number(gaps[Math.floor(part * (gaps.length - 1))].toFixed(1));
    resolve({ count: gaps.length, perSecond: (1000 * gaps.length) / (last - first), made, inTime,
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
                # In windows of their own: both are visible.
                ours, theirs = await asyncio.gather(
                    page.evaluate(FRAMES, 10), empty.evaluate(FRAMES, 10)
                )
                each = 1000 * (await script_seconds(devtools) - before) / ours["count"]
                show(f"the page, {window} s; JavaScript {each:.1f} ms a frame", ours)
                show("an empty page beside it", theirs)
                of_it = [
                    100 * ours[name] / theirs[name] for name in ("perSecond", "made", "inTime")
                ]
                print("  the one to the other: " + ", ".join(f"{part:.0f} %" for part in of_it))


def show(what: str, measured: dict[str, Any]) -> None:
    made, in_time = 100 * measured["made"], 100 * measured["inTime"]
    print(
        f"{what}: {measured['perSecond']:.1f} frames a second, made {made:.1f} %, "
        f"in time {in_time:.1f} %, gaps {measured['gaps']} ms",
        flush=True,
    )


async def script_seconds(devtools: CDPSession) -> float:
    """How long the page's scripts have run, in seconds."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "ScriptDuration")


if __name__ == "__main__":
    asyncio.run(main(*map(float, (sys.argv[1:] + ["100", "60"][len(sys.argv) - 1 :])[:2])))
