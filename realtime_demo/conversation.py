"""A gentle generated conversation, so that the page is alive as soon as it opens."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random

from realtime_demo.comparison.theory import Arrivals
from transports import feed, hub
from transports.events import Draft
from transports.store.base import StoreUnavailable

logger = logging.getLogger(__name__)

PAUSE = (0.8, 3.2)  # seconds between two lines of the background task: shortest and longest
CATCH_UP = 1.0  # seconds that the conversation may be late and still say all its lines

LINES = (
    ("ada", "Hello! Does everyone get the same news here?"),
    ("민준", "안녕하세요! 네, 같은 소식을 다섯 가지 방법으로 받고 있어요."),
    ("grace", "HTTP cannot push. So who sends this to my browser?"),
    ("서연", "폴링은 매번 다시 물어봐요. “새 소식 있어요?”"),
    ("tim", "Polling asks every second, and mostly hears: nothing."),
    ("ada", "Long polling asks once, and the server keeps it waiting."),
    ("민준", "롱 폴링은 답이 생길 때까지 서버가 응답을 붙잡고 있어요."),
    ("grace", "A stream simply never ends its response."),
    ("서연", "스트리밍은 응답이 끝나지 않아요. Content-Length도 없고요."),
    ("tim", "Server-Sent Events are that, with a framing browsers know."),
    ("ada", "And a WebSocket stops being HTTP after the handshake."),
    ("민준", "웹소켓은 악수만 HTTP로 하고, 그다음은 양방향이에요. 🙌"),
    ("grace", "Look at the delays: which one is late, and by how much?"),
    ("서연", "폴링이 제일 늦네요. 평균은 간격의 절반쯤!"),
    ("tim", "Cut the network for a moment. Nothing gets lost."),
    ("ada", "Every event has a number, so a hole would show."),
)


class Conversation:
    """The lines, over and over, whoever asks for the next one.

    Its pauses are drawn from a generator of its own, so that two runs are alike.
    """

    def __init__(self, seed: int = 1) -> None:
        self._lines = itertools.cycle(LINES)
        self._random = random.Random(seed)

    async def say(self, room: str) -> None:
        """Publish the next line. Raises `StoreUnavailable`."""
        sender, text = next(self._lines)
        await feed.publish(Draft(room, sender, text))

    async def converse(self, room: str, rate: float, arrivals: Arrivals = "poisson") -> None:
        """Publish `rate` lines a second until cancelled or the feed closes.

        At random moments (a Poisson process, as the theory has it) or on the beat.
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while not hub.current().closing:
            try:
                await self.say(room)
            except StoreUnavailable as error:
                logger.warning("The conversation pauses: %s", error)
                await asyncio.sleep(1)
            due += self._random.expovariate(rate) if arrivals == "poisson" else 1 / rate
            if due < clock() - CATCH_UP:  # it was held up: what was not said stays unsaid
                due = clock()
            await asyncio.sleep(max(0.0, due - clock()))
