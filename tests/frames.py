"""How long frames take under a fast feed: `.venv/bin/python -m tests.frames [rate] [seconds]`.

Starts the demo, lets it publish `rate` events a second (100) for `seconds` (60), shows a minute of
them in all lanes, and prints what Chromium says of its frames: the time between two of them, the
time in the page's own drawing, and the heap. Headless and without a GPU, a canvas is drawn by the
processor, so a screen does no worse.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")

from .browser import chromium
from .page import open_page
from .stage import Demo

# Fills the lanes with events as they would have come, and draws them; what a frame took, and how
# many marks it drew.
DRAW = """async ([rate, seconds, frames]) => {
  const { Timeline } = await import("/static/realtime_demo/timeline.js");
  const { Lanes } = await import("/static/realtime_demo/lanes.js");
  const { Ledger } = await import("/static/realtime_demo/ledger.js");
  const elements = [...document.querySelectorAll(".board .lane[data-technique]")];
  const timeline = new Timeline(elements.length);
  const rows = elements.map((element, index) => ({
    element,
    receiver: {
      technique: { name: element.dataset.technique, label: "" },
      track: timeline.tracks[index],
      ledger: new Ledger(),
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
  const gaps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  requestAnimationFrame(function frame() {
    const at = performance.now();
    gaps.push(at - last);
    last = at;
    if (at < end) return requestAnimationFrame(frame);
    gaps.sort((a, b) => a - b);
    const share = (part) => gaps[Math.floor(part * (gaps.length - 1))].toFixed(1);
    resolve({ frames: gaps.length, median: share(0.5), p95: share(0.95), p99: share(0.99) });
  });
})"""


async def main(rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder), "--no-conversation") as demo:
        async with chromium() as browser:
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            page = await open_page(context, demo.url, "fast", f"&rate={rate:g}&window=60")
            drawn = await page.evaluate(DRAW, [rate, 70, 200])
            print("one frame of a full minute (least and median ms):", drawn)
            await page.locator('[data-do="feed"]').click()
            devtools = await context.new_cdp_session(page)
            await devtools.send("Performance.enable")
            for _ in range(max(1, round(seconds / 10))):
                print("frames, ms apart:", await page.evaluate(FRAMES, 10))
                await devtools.send("HeapProfiler.collectGarbage")
                counted = (await devtools.send("Performance.getMetrics"))["metrics"]
                metrics = {each["name"]: each["value"] for each in counted}
                print(
                    f"  heap {metrics['JSHeapUsedSize'] / 1e6:.1f} MB, nodes {metrics['Nodes']:.0f}"
                    f", scripts so far {metrics['ScriptDuration']:.1f} s"
                )
                medians = await page.locator(".median strong").all_text_contents()
                print("  medians", medians)


if __name__ == "__main__":
    asyncio.run(main(*map(float, (sys.argv[1:] + ["100", "60"][len(sys.argv) - 1 :])[:2])))
