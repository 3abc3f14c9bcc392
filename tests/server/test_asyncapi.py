"""The published description of the socket, compared with its commands and its messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jsonschema_rs
import pytest
from websockets.asyncio.client import connect

from tests.support.live import LiveServer
from tests.support.waiting import BOUND
from transports.operations.openapi import DESCRIPTION, SOCKET_DESCRIPTION
from websocket.session import Session

BASE = "https://demo.example/asyncapi.json"
DOCUMENTS = {
    "https://demo.example/openapi.json": json.loads(DESCRIPTION.read_text()),
    BASE: json.loads(SOCKET_DESCRIPTION.read_text()),
}
MESSAGES: dict[str, Any] = DOCUMENTS[BASE]["components"]["messages"]
REGISTRY = jsonschema_rs.Registry(list(DOCUMENTS.items()))


def is_described(name: str, message: object) -> bool:
    """Return whether the message matches the schema of the message `name`."""
    schema = {"$ref": f"{BASE}#/components/messages/{name}/payload"}
    validator = jsonschema_rs.Draft202012Validator(schema, registry=REGISTRY)
    return validator.is_valid(message)


def messages_of(operation: str) -> set[str]:
    references = DOCUMENTS[BASE]["operations"][operation]["messages"]
    return {reference["$ref"].rpartition("/")[2] for reference in references}


def test_the_commands_are_described() -> None:
    assert messages_of("receive") == set(Session.COMMANDS)
    assert messages_of("send") == {"batch", "error"}
    assert set(MESSAGES) == messages_of("receive") | messages_of("send")


async def test_real_messages_match_the_description(
    memory_live_server: LiveServer, room: str
) -> None:
    commands: list[dict[str, Any]] = [
        {"type": "publish", "room": room, "sender": "ada", "text": "안녕"},
        {"type": "publish", "room": room, "sender": "ada", "name": "paid", "data": [7]},
        {"type": "join", "room": f"{room}-b"},
        {"type": "leave", "room": f"{room}-b"},
        {"type": "edit", "room": room, "of": "k3f9-42", "text": "hi"},
        {"type": "delete", "room": room, "of": "k3f9-42"},
    ]
    url = f"{memory_live_server.ws_url}/websocket/{room}/?since=other-7"
    async with connect(url) as socket, asyncio.timeout(BOUND):
        received = [json.loads(await socket.recv())]  # with a `reset`
        for command in commands:
            assert is_described(command["type"], command)
            await socket.send(json.dumps(command))
            if command["type"] != "leave":  # which has no answer
                received.append(json.loads(await socket.recv()))
    names = ["error" if message.get("type") == "error" else "batch" for message in received]
    assert names == ["batch", "batch", "batch", "batch", "error", "error"]
    assert all(map(is_described, names, received)), received
    types = [event["type"] for message in received for event in message.get("events", ())]
    assert types == ["reset", "message", "message"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("publish", {"type": "publish", "room": "lobby", "sender": "ada"}),
        ("publish", {"type": "publish", "room": "Lobby", "sender": "ada", "text": "hi"}),
        ("edit", {"type": "edit", "room": "lobby", "of": "42", "text": "hi"}),
        ("batch", {"room": "lobby", "cursor": "k3f9-42", "events": [{"id": "k3f9-42"}]}),
    ],
)
def test_other_messages_do_not_match(name: str, message: object) -> None:
    assert not is_described(name, message)
