"""Cases of streaming in lines."""

from __future__ import annotations

from realtime_demo.workshop.bench import Bench


async def length(bench: Bench) -> None:
    async with bench.get(f"/lines/{bench.room()}/") as response:
        await response.head()
        length = response.headers.get("content-length")
        response.expect(length is None, got=length)


async def lines(bench: Bench) -> None:
    room = bench.room()
    published = await bench.publish(room, "one", "two\nlines", "three\u2028parts")
    async with bench.get(f"/lines/{room}/") as response:
        await response.head()
        await response.until(lambda: response.body.count(b"\n") >= 3)
        expected = b"".join([event.encoded + b"\n" for event in published])
        response.expect(response.body == expected, got=response.body.count(b"\n"))


async def live(bench: Bench) -> None:
    room = bench.room()
    async with bench.get(f"/lines/{room}/") as response:
        await response.head()
        published = await bench.publish(room, "news")
        await response.until(lambda: b"news" in response.body)
        response.expect_events(published, response.events)
