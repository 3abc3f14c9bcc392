"""The page's memory over time: `python -m tests.tools.heap [rate] [seconds]`.

Starts the demo, lets it publish `rate` events a second (50) for `seconds` (600) to a page that
shows all lanes, and prints every 30 s the size of JavaScript's heap after a collection, and the
numbers of DOM nodes and listeners.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")

from tests.support.chromium import chromium
from tests.support.demo import Demo
from tests.support.page import Site

EVERY = 30  # seconds between two samples


async def main(rate: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder), "--no-conversation") as demo:
        async with chromium() as browser:
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            page = await Site(context, demo.url, "fast").open(f"&rate={rate:g}&window=60")
            devtools = await context.new_cdp_session(page)
            await devtools.send("Performance.enable")
            await page.locator('[data-do="feed"]').click()
            began = time.monotonic()
            print("seconds  heap MB   nodes  listeners  received")
            for sample in range(round(seconds / EVERY) + 1):
                await asyncio.sleep(began + sample * EVERY - time.monotonic())
                received = await page.locator('[data-count="received"]').all_text_contents()
                await devtools.send("HeapProfiler.collectGarbage")
                performance = (await devtools.send("Performance.getMetrics"))["metrics"]
                metrics = {metric["name"]: metric["value"] for metric in performance}
                print(
                    f"{time.monotonic() - began:7.0f} {metrics['JSHeapUsedSize'] / 1e6:8.2f}"
                    f" {metrics['Nodes']:7.0f} {metrics['JSEventListeners']:10.0f}"
                    f"  {', '.join(received)}",
                    flush=True,
                )


if __name__ == "__main__":
    arguments = [float(argument) for argument in sys.argv[1:3]]
    asyncio.run(main(*arguments, *(50.0, 600.0)[len(arguments) :]))
