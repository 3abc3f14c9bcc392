"""The kinds of work, each of which publishes its events once, even if a task runs several times.

A worker may die between publishing and saving its progress; another worker then runs the task
again. So each publish has a key, made of the task and the step, which the history accepts once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser

from transports import feed
from transports.auth.permissions import check_room
from transports.events import Cursor, Draft, EventType
from transports.http.names import name_in, shown, text_of
from transports.http.problems import Problem
from transports.http.request import check_room_name, permitted

from .conf import conf
from .models import Task

Arguments = dict[str, Any]

PAUSE = (0.8, 3.2)  # seconds between two lines of the generated conversation

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
    ("민준", "웹소켓은 핸드셰이크만 HTTP로 하고, 그다음은 양방향이에요. 🙌"),
    ("grace", "Look at the delays: which one is late, and by how much?"),
    ("서연", "폴링이 제일 늦네요. 평균은 간격의 절반쯤!"),
    ("tim", "Cut the network for a moment. Nothing gets lost."),
    ("ada", "Every event has a number, so a hole would show."),
)


class Lost(Exception):
    """The task has been claimed by another worker."""


@dataclass
class Job:
    """A task that is running, with the operations for its work."""

    task: Task

    @property
    def arguments(self) -> Arguments:
        arguments: Arguments = self.task.arguments
        return arguments

    async def publish(
        self, step: object, room: str, sender: str, text: str, kind: EventType = "message"
    ) -> None:
        """Publish, unless this step of this task has been published."""
        await feed.publish_once(f"{self.task.id}:{step}", Draft(room, sender, text, kind))

    async def advance(self, progress: int) -> None:
        """Save that all steps before `progress` are complete. Raises `Lost`."""
        if not await database_sync_to_async(self.task.advance)(progress):
            raise Lost


@dataclass(frozen=True)
class Work:
    """A kind of work: `check` returns valid arguments or raises `Problem`; `run` does the work."""

    check: Callable[[Arguments], Arguments]
    run: Callable[[Job], Awaitable[Any]]


# --- The generated conversation -------------------------------------------------------------


def _check_conversation(arguments: Arguments) -> Arguments:
    lines = _number(arguments, "lines", len(LINES), most=1_000)
    checked = {"room": _room(arguments, "lobby"), "lines": int(lines)}
    if "pause" in arguments:
        checked["pause"] = _number(arguments, "pause", 0, most=60)
    return checked


async def _converse(job: Job) -> Any:
    room, pause = job.arguments["room"], job.arguments.get("pause")
    for number in range(job.task.progress, job.arguments["lines"]):
        sender, text = LINES[number % len(LINES)]
        await job.publish(number, room, sender, text)
        await job.advance(number + 1)
        await asyncio.sleep(random.uniform(*PAUSE) if pause is None else pause)
    return {"lines": job.arguments["lines"]}


# --- An announcement to one room or to all ---------------------------------------------------


def _check_announcement(arguments: Arguments) -> Arguments:
    checked = {"text": text_of(arguments, "text", conf.TEXT_LENGTH)}
    if "\0" in checked["text"]:  # PostgreSQL's JSON columns reject it ("JSON Types")
        raise Problem(400, "text", "'text' of a task must not contain U+0000.")
    if "sender" in arguments:
        checked["sender"] = name_in(arguments, "sender")
    if "room" in arguments:
        checked["room"] = _room(arguments, "")
    return checked


async def _announce(job: Job) -> Any:
    sender = job.arguments.get("sender", "server")
    chosen_room = job.arguments.get("room")
    rooms = [chosen_room] if chosen_room else await feed.rooms()
    for room in rooms:
        await job.publish(room, room, sender, job.arguments["text"], "announcement")
    return {"rooms": len(rooms)}


# --- A slow report --------------------------------------------------------------------------


def _check_report(arguments: Arguments) -> Arguments:
    return {"pause": _number(arguments, "pause", 0.5, most=60)}


async def _report(job: Job) -> Any:
    """Count the events in the history of each public room, in all and by sender."""
    report = {}
    for room in await feed.rooms():
        try:
            await permitted(check_room, room, AnonymousUser())
        except Problem:
            continue
        await asyncio.sleep(job.arguments["pause"])  # to be slow on purpose
        start = Cursor((await feed.cursor(room)).epoch, 0)
        events = [e for e in (await feed.history(room, start)).events if e.type != "reset"]
        report[room] = {
            "events": len(events),
            "senders": Counter(event.sender for event in events).most_common(10),
        }
    return report


WORK = {
    "conversation": Work(_check_conversation, _converse),
    "announcement": Work(_check_announcement, _announce),
    "report": Work(_check_report, _report),
}


def _room(arguments: Arguments, default: str) -> str:
    room = arguments.get("room", default)
    if not isinstance(room, str):
        raise Problem(400, "room", f"'room' must be the name of a room; got {shown(room)}.")
    check_room_name(room)  # permissions need no check: only staff start tasks
    return room


def _number(arguments: Arguments, name: str, default: float, most: float) -> float:
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Problem(
            400, name, f"'{name}' must be a number from 0 to {most:g}; got {shown(value)}."
        )
    return float(value)
