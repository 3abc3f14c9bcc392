"""The probes: from outside, over the same URLs as any client, in rooms of their own."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from transports.registry import BY_NAME

from .http_trace import Exchange, Target, ask, exchange, now
from .remedies import Finding, Severity

EVENTS = 4  # published, one after another
APART = 0.3  # seconds between them
PATIENCE = 3.0  # seconds for what should take none
LATE = 0.25  # seconds behind its publication that an event may be, beside the round trips
TRIES = 3  # to see an event in time: a busy machine is late once, a proxy that buffers always
HEARTBEAT = 15.0  # seconds, as the contract has it
LONGEST_HOLD = 55.0  # seconds
SHORTER = 0.5  # seconds by which a hold may be cut short and still be whole
STREAMS = ("streaming", "sse")
SELF_SIGNED = (18, 19)  # X509_verify_cert_error_string(3): on purpose, as `make production` has it
KEPT_OUT = (401, 403, 407, 429)  # of a handshake: somebody would not, though it came through
ACCEPTED = "gzip, deflate"  # what a browser says, as far as it can be read here


class Unreachable(Exception):
    """There is nobody to examine; the text says why."""


class NotPublished(Exception):
    """What a probe waits for will not come, whatever a proxy does to it."""

    def __init__(self, answered: Exchange) -> None:
        super().__init__(f"POST /publish/: {_said(answered)}")


class Examination:
    """`idle` is how long silence is listened to, in seconds; the whole takes a little longer."""

    def __init__(self, url: str, idle: float = 20.0) -> None:
        self.target = Target(url.rstrip("/"))
        self.idle = min(idle, LONGEST_HOLD)
        self.findings: list[Finding] = []
        self.round_trip = 0.0
        self.seen: dict[str, Any] = {}  # by the application, of our request

    def find(
        self, technique: str, what: str, evidence: str, severity: Severity = "problem"
    ) -> None:
        self.findings.append(Finding(technique, what, evidence, severity))

    async def run(self) -> list[Finding]:
        """All that was found, problems first. Raises `Unreachable`."""
        await self._reach()
        await self._probe("all", self._reflect())
        await asyncio.gather(
            self._probe("all", self._publishing()),
            self._probe("polling", self._polling()),
            *(self._probe(name, self._stream(name)) for name in STREAMS),
            self._probe("websocket", self._socket()),
            self._probe("all", self._browser_protocol()),
            self._probe("all", self._exposed()),
            *(self._probe(name, self._idle_stream(name)) for name in STREAMS),
            self._probe("longpoll", self._hold()),
            self._probe("websocket", self._idle_socket()),
        )
        unique = dict.fromkeys(self.findings)
        return sorted(unique, key=lambda found: (found.severity != "problem", found.technique))

    async def _probe(self, name: str, probing: Awaitable[None]) -> None:
        """A probe that comes to nothing is a finding too, and keeps no other from its own."""
        try:
            await probing
        except NotPublished as error:
            self.find(name, "refuses", str(error))
        except (OSError, TimeoutError) as error:
            self.find(name, "unreachable", str(error) or type(error).__name__)

    # --- What concerns all ----------------------------------------------------------------

    async def _reach(self) -> None:
        if self.target.parts.scheme == "https":
            self.target.tls = await self._trust()
        try:
            began = now()
            answered = await ask(self.target, "/healthz")
            self.round_trip = now() - began
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self.target.url}: {error or 'no answer'}") from error
        if 300 <= answered.status < 400:
            where = answered.headers.get("location", "elsewhere")
            said = f"sends on to {where} ({answered.status}); examine what answers itself"
            raise Unreachable(f"{self.target.url} {said}")
        if answered.status != 200:
            self.find("all", "refuses", f"GET /healthz: {_said(answered)}")

    async def _trust(self) -> ssl.SSLContext:
        trusting = ssl.create_default_context()
        try:
            await ask(Target(self.target.url, trusting), "/healthz")
        except ssl.SSLCertVerificationError as error:
            severity: Severity = "note" if error.verify_code in SELF_SIGNED else "problem"
            self.find("all", "certificate", error.verify_message, severity)
            trusting.check_hostname = False
            trusting.verify_mode = ssl.CERT_NONE
        except (OSError, TimeoutError):
            pass  # said by the next one
        return trusting

    async def _reflect(self) -> None:
        """What of a request reaches the application (`GET /mirror/`)."""
        query = "since=a-1&x=%E2%82%AC%20b"
        sent = {"Last-Event-ID": "doctor-1", "Origin": self.target.origin}
        answered = await ask(self.target, f"/mirror/?{query}", headers=sent)
        try:
            seen: dict[str, Any] = json.loads(answered.body)
            version, headers = str(seen["http_version"]), dict(seen["headers"])
        except (ValueError, KeyError, TypeError):
            self.find("all", "refuses", f"GET /mirror/: {_said(answered)}", "note")
            return
        self.seen = seen
        if version == "1.0":
            self.find("all", "downgrades", "the application was asked in HTTP/1.0")
        if headers.get("host") != self.target.parts.netloc:
            self.find("all", "host", f"the application was asked for {headers.get('host')}")
        if seen["scheme"] != self.target.parts.scheme:
            self.find("all", "scheme", f"the application takes it for {seen['scheme']}")
        if not seen["client"]:
            self.find("all", "address", "the application does not know who asks", "note")
        if seen["path"] != "/mirror/" or seen["query"] != query:
            self.find("all", "rewrites", f"it became {seen['path']}?{seen['query']}")
        for name, value in sent.items():
            if headers.get(name.lower()) != value:
                self.find("all", "strips", f"the request's {name} did not arrive")

    async def _publishing(self) -> None:
        room = _room()
        answered = await self._publish(room, "hi", headers={"Origin": self.target.origin})
        if answered.status != 201:
            self.find("all", "refuses", f"POST /publish/ with our Origin: {_said(answered)}")
        large = await self._publish(room, "hi", padding=60_000)
        if large.status == 413 or not large.status:
            self.find("all", "limits bodies", f"a body of 60 kB: {_said(large)}")

    async def _publish(
        self,
        room: str,
        text: str,
        headers: dict[str, str] | None = None,
        padding: int = 0,
    ) -> Exchange:
        """What became of it; where it comes too fast (429), of the last of several tries."""
        body = json.dumps({"sender": "doctor", "text": text}).encode() + b" " * padding
        headers = {"Content-Type": "application/json", **(headers or {})}
        for attempt in range(1, TRIES + 1):
            answered = await ask(
                self.target, f"/publish/{room}/", method="POST", headers=headers, body=body
            )
            if answered.status != 429 or attempt == TRIES:
                break
            said = answered.headers.get("retry-after", "")
            await asyncio.sleep(min(float(said), PATIENCE) if said.isdecimal() else 1.0)
        return answered

    async def _published(self, room: str, text: str) -> float:
        """When it was sent, on the loop's clock. Raises `NotPublished`."""
        answered = await self._publish(room, text)
        if answered.status != 201:
            raise NotPublished(answered)
        return answered.began

    async def _browser_protocol(self) -> None:
        if self.target.tls is None:
            self.find("all", "http/1.1", "no TLS, and so no HTTP/2: six connections a host", "note")
            return
        offering = ssl.create_default_context()
        offering.check_hostname = False
        offering.verify_mode = ssl.CERT_NONE
        offering.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection(self.target.host, self.target.port, ssl=offering)
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        writer.transport.abort()
        if chosen != "h2":
            self.find("all", "http/1.1", f"ALPN chose {chosen}: six connections a host", "note")

    async def _exposed(self) -> None:
        answered = await ask(self.target, "/metrics")
        if answered.status == 200 and b"realtime_" in answered.body:
            self.find("all", "exposes", "GET /metrics is answered to everyone", "note")

    # --- Polling --------------------------------------------------------------------------

    async def _polling(self) -> None:
        room = _room()
        path = f"/polling/{room}/"
        headers = {"Accept-Encoding": ACCEPTED}
        before = await ask(self.target, path, headers=headers)
        if before.status != 200:
            self.find("polling", "refuses", _said(before))
            return
        await self._published(room, "fresh")
        after = await ask(self.target, path, headers=headers)
        if b"fresh" not in after.body:
            self.find("polling", "caches", "the same poll was answered as before the publish")

    # --- Streams --------------------------------------------------------------------------

    async def _stream(self, name: str) -> None:
        room = _room()
        path = BY_NAME[name].url_path(room)
        async with exchange(self.target, path, headers={"Accept-Encoding": ACCEPTED}) as stream:
            headed = await stream.read_head(PATIENCE)
            if headed and stream.status != 200:
                self.find(name, "refuses", _said(stream))
                return
            await stream.read(PATIENCE, until=b"\n")  # what every stream begins with
            chunks, published = stream.chunks, 0
            for attempt in range(TRIES):
                delays = await self._delays(stream, room, attempt)
                published += EVENTS
                if None in delays or self._in_time(delays):
                    break
            if not headed and stream.head_at is None:
                self.find(name, "buffers", f"no head after {now() - stream.began:.1f} s")
                return
            if missing := delays.count(None):
                said = (
                    f"{missing} of {EVENTS} events had not arrived {PATIENCE + APART:.1f} s later"
                )
                self.find(name, "buffers", said)
            elif not self._in_time(delays):
                said = f"an event came {max(filter(None, delays)):.2f} s after its publication"
                self.find(name, "buffers", said)
            self._judge_head(name, stream)
            found = stream.chunks - chunks
            if None not in delays and stream.chunks and found != published:
                said = f"{published} events, published {APART} s apart, came in {found} chunks"
                self.find(name, "re-chunks", said, "note")

    async def _delays(self, stream: Exchange, room: str, attempt: int) -> list[float | None]:
        """Publish `EVENTS`; the seconds until each was there, None for one that did not come."""
        texts = [f"event {attempt}.{number}.".encode() for number in range(EVENTS)]
        published = []
        for text in texts:
            published.append(await self._published(room, text.decode()) - stream.began)
            await stream.read(APART)
        await stream.read(PATIENCE, until=texts[-1])
        arrived = map(stream.at, texts)
        return [
            None if came is None else came - sent
            for came, sent in zip(arrived, published, strict=True)
        ]

    def _in_time(self, delays: list[float | None]) -> bool:
        """Whether every event was there, and not later than the way there can explain."""
        allowed = LATE + 4 * self.round_trip
        return all(delay is not None and delay <= allowed for delay in delays)

    def _judge_head(self, name: str, stream: Exchange) -> None:
        coding = stream.headers.get("content-encoding", "identity")
        if coding != "identity":
            self.find(name, "compresses", f"Content-Encoding: {coding}")
        chunked = stream.headers.get("transfer-encoding", "").lower() == "chunked"
        if stream.version == "1.0" or not chunked:
            said = f"HTTP/{stream.version} without chunks: a cut cannot be told from the end"
            self.find(name, "downgrades", said)
        expected = {"streaming": "application/x-ndjson", "sse": "text/event-stream"}[name]
        kind = stream.headers.get("content-type", "none")
        if kind.partition(";")[0] != expected:
            self.find(name, "strips", f"Content-Type is {kind}, not {expected}")
        if "cursor" not in stream.headers:
            self.find(name, "strips", "the response's Cursor did not arrive", "note")
        if "no-transform" not in stream.headers.get("cache-control", ""):
            self.find(name, "strips", "Cache-Control has no no-transform any more", "note")

    async def _idle_stream(self, name: str) -> None:
        path = BY_NAME[name].url_path(_room())
        async with exchange(self.target, path) as stream:
            await stream.read(self.idle)
            if stream.status not in (0, 200):
                return  # said by `_stream`
            if stream.ended_at is not None:
                how = f" ({stream.ending})" if stream.ending else ""
                self.find(name, "drops idle", f"ended after {stream.ended_at:.1f} s{how}")
            elif self.idle > HEARTBEAT + PATIENCE:
                latest = max((moment for moment, data in stream.pieces if data), default=0.0)
                if latest < HEARTBEAT - 1:
                    said = f"no heartbeat in {self.idle:.0f} s: it is held back"
                    self.find(name, "buffers", said)

    # --- Long polling ---------------------------------------------------------------------

    async def _hold(self) -> None:
        room = _room()
        path = f"/longpoll/{room}/?wait={self.idle:g}"  # nobody has published there
        held = await ask(self.target, path, seconds=self.idle + 10)
        if held.status == 0:
            after = held.ended_at if held.ended_at is not None else self.idle + 10
            self.find("longpoll", "times out", f"no answer after {after:.1f} s {held.ending}")
        elif held.status in (502, 503, 504) and held.head_at and held.head_at > SHORTER:
            said = f"{held.status} after {held.head_at:.1f} s of a hold of {self.idle:g} s"
            self.find("longpoll", "times out", said)
        elif held.status != 200:
            self.find("longpoll", "refuses", _said(held))
        elif (held.head_at or 0) < self.idle - SHORTER:
            said = f"answered after {held.head_at:.1f} s of a hold of {self.idle:g} s"
            self.find("longpoll", "times out", said)

    # --- WebSocket ------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self, room: str) -> AsyncIterator[ClientConnection]:
        url = "ws" + self.target.url.removeprefix("http") + BY_NAME["websocket"].url_path(room)
        async with connect(
            url,
            ssl=self.target.tls,
            origin=self.target.origin,  # type: ignore[arg-type]
            open_timeout=PATIENCE + 4 * self.round_trip,
            proxy=None,  # as all the other probes: straight there
            ping_interval=None,  # silence is what is examined
            close_timeout=1,
        ) as socket:
            yield socket

    async def _socket(self) -> None:
        room = _room()
        try:
            async with self._connected(room) as socket:
                async with asyncio.timeout(PATIENCE):
                    await socket.recv()  # the backlog
                if socket.protocol.extensions:
                    names = ", ".join(each.name for each in socket.protocol.extensions)
                    self.find("websocket", "compresses", f"{names} was agreed on", "note")
                for _ in range(TRIES):
                    began = await self._published(room, "to the socket")
                    async with asyncio.timeout(PATIENCE):
                        await socket.recv()
                    delay = now() - began
                    if self._in_time([delay]):
                        break
                else:
                    self.find("websocket", "buffers", f"an event came after {delay:.2f} s")
        except InvalidStatus as error:
            said = f"the handshake was answered {error.response.status_code}, not 101"
            if error.response.status_code in KEPT_OUT:
                self.find("websocket", "refuses", said)
                return
            if self.seen.get("http_version") == "1.0":
                said += "; the application was asked in HTTP/1.0, which knows no Upgrade"
            self.find("websocket", "upgrade", said)
        except (InvalidHandshake, ConnectionClosed, OSError, TimeoutError) as error:
            said = f"no WebSocket: {str(error) or type(error).__name__}"
            self.find("websocket", "upgrade", said)

    async def _idle_socket(self) -> None:
        try:
            async with self._connected(_room()) as socket:
                began = now()
                try:
                    async with asyncio.timeout(self.idle):
                        while True:
                            await socket.recv()
                except TimeoutError:
                    pass
                except ConnectionClosed as error:
                    code = error.rcvd.code if error.rcvd else 1006
                    said = f"closed ({code}) after {now() - began:.1f} s"
                    self.find("websocket", "drops idle", said)
        except (InvalidHandshake, OSError, TimeoutError):
            pass  # said by `_socket`


def _room() -> str:
    return f"doctor-{secrets.token_hex(6)}"


def _said(answered: Exchange) -> str:
    """The status and the beginning of the body, or that there was none."""
    if not answered.status:
        return f"no answer ({answered.ending or 'it is still awaited'})"
    return f"{answered.status} {answered.body[:120].decode(errors='replace')!r}"
