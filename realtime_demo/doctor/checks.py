"""Probes of a deployment from outside, over the same URLs as any client, in their own rooms."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from realtime_demo.http_trace import HttpTrace, now
from transports.registry import TECHNIQUES, Technique

from .platforms import PLATFORMS
from .remedies import Finding, Platform, Severity
from .target import Target

EVENTS = 4  # events that a probe publishes, one after another
APART = 0.3  # seconds between events
PATIENCE = 3.0  # seconds until a response or event counts as missing
LATE = 0.25  # seconds that an event may take, in addition to round trips
TRIES = 3  # attempts to receive events in time: a buffering proxy is late in each of them
HEARTBEAT = 15.0  # seconds between heartbeats, as in the contract
LONGEST_HOLD = 55.0  # seconds: the longest poll timeout of the contract
SHORTER = 0.5  # seconds by which a long poll may end before its poll timeout
SELF_SIGNED = (18, 19)  # X509_verify_cert_error_string(3): intended, as with `make production`
REJECTED = (401, 403, 407, 429)  # handshake statuses that do not mean a missing upgrade
ACCEPTED = "gzip, deflate"  # codings of browsers that `HttpTrace` can decode


class Unreachable(Exception):
    """The deployment cannot be examined; the message is the reason."""


class NotPublished(Exception):
    """The server did not accept the event that a probe waits for."""

    def __init__(self, response: HttpTrace) -> None:
        super().__init__(f"POST /publish/: {_describe(response)}")
        content_type = response.headers.get("content-type", "")
        self.fault = "rejects" if content_type == "application/problem+json" else "refuses"


class Examination:
    """An examination of the deployment at `url`.

    `idle` is the time, in seconds, for which the probes leave connections idle; the examination
    takes a little longer. `platforms` are recognised unless they are given.
    """

    def __init__(self, url: str, idle: float = 20.0, platforms: Sequence[Platform] = ()) -> None:
        self.target = Target(url.rstrip("/"))
        self.idle = min(idle, LONGEST_HOLD)
        self.platforms = list(platforms)
        self.findings: list[Finding] = []
        self.round_trip = 0.0
        self.health: HttpTrace | None = None
        self.echo: dict[str, Any] = {}  # a request as the application received it

    def find(
        self,
        technique: str,
        fault: str,
        evidence: str,
        severity: Severity = "problem",
        **values: object,
    ) -> None:
        """Add a finding; `values` fill the placeholders of `evidence`."""
        evidence = evidence.format(**values) if values else evidence
        self.findings.append(Finding(technique, fault, evidence, severity))

    async def run(self) -> list[Finding]:
        """Run all probes; return the findings, problems first. Raise `Unreachable`."""
        await self._reach()
        await self._probe("all", self._echo())
        if not self.platforms:
            await self._probe("all", self._recognise())
        await asyncio.gather(
            self._probe("all", self._publishing()),
            self._probe("all", self._browser_protocol()),
            self._probe("all", self._exposed()),
            *(
                self._probe(technique.name, probe(technique))
                for technique in TECHNIQUES
                if technique.on_page
                for probe in self._probes_of(technique)
            ),
        )
        self._check_limits()
        unique = dict.fromkeys(self.findings)
        return sorted(
            unique, key=lambda finding: (finding.severity != "problem", finding.technique)
        )

    def _probes_of(self, technique: Technique) -> list[Callable[[Technique], Awaitable[None]]]:
        match technique.response_ends:
            case "at once":
                return [self._poll]
            case "with events":
                return [self._long_poll]
        if technique.is_stream:
            return [self._stream, self._idle_stream]
        return [self._socket, self._idle_socket]

    async def _probe(self, name: str, probing: Awaitable[None]) -> None:
        """Run a probe. An error becomes a finding, and does not stop the other probes."""
        try:
            await probing
        except NotPublished as error:
            self.find(name, error.fault, str(error))
        except (OSError, TimeoutError) as error:
            self.find(name, "unreachable", str(error) or type(error).__name__)

    # --- All techniques -------------------------------------------------------------------

    async def _reach(self) -> None:
        if self.target.parts.scheme == "https":
            self.target.tls = await self._trust()
        try:
            start = now()
            response = await self.target.fetch("/healthz")
            self.round_trip = now() - start
            self.health = response
        except (OSError, TimeoutError) as error:
            text, reason = _("Cannot reach {url}: {reason}"), str(error) or _("no response")
            raise Unreachable(text.format(url=self.target.url, reason=reason)) from error
        url, status = self.target.url, response.status
        if 300 <= status < 400:
            location = response.headers.get("location", _("an unknown location"))
            text = _("{url} redirects to {location} ({status}); examine that deployment instead.")
            raise Unreachable(text.format(url=url, location=location, status=status))
        if status == 404 or (status == 200 and not _is_health(response)):
            text = _(
                "{url} is not a server of this project: expected the JSON of /healthz; "
                "got {response}."
            )
            raise Unreachable(text.format(url=url, response=_describe(response)))
        if status != 200:
            self.find("all", "refuses", f"GET /healthz: {_describe(response)}")

    async def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            await Target(self.target.url, context).fetch("/healthz")
        except ssl.SSLCertVerificationError as error:
            severity: Severity = "note" if error.verify_code in SELF_SIGNED else "problem"
            self.find("all", "certificate", error.verify_message, severity)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        except (OSError, TimeoutError):
            pass  # the next request reports it
        return context

    async def _echo(self) -> None:
        """Check how a request reaches the application (`GET /mirror/`)."""
        query = "since=a-1&x=%E2%82%AC%20b"
        sent = {"Last-Event-ID": "doctor-1", "Origin": self.target.url}
        response = await self.target.fetch(f"/mirror/?{query}", headers=sent)
        try:
            echo: dict[str, Any] = json.loads(response.body)
            version, headers = str(echo["http_version"]), dict(echo["headers"])
        except (ValueError, KeyError, TypeError):
            self.find("all", "refuses", f"GET /mirror/: {_describe(response)}", "note")
            return
        self.echo = echo
        if version == "1.0":
            self.find("all", "downgrades", _("the application received HTTP/1.0"))
        if headers.get("host") != self.target.parts.netloc:
            evidence = _("the application received Host: {host}")
            self.find("all", "host", evidence, host=headers.get("host"))
        if echo["scheme"] != self.target.parts.scheme:
            evidence = _("the application received the scheme {scheme}")
            self.find("all", "scheme", evidence, scheme=echo["scheme"])
        if not echo["client"]:
            self.find("all", "address", _("the application has no client address"), "note")
        if echo["path"] != "/mirror/" or echo["query"] != query:
            url = f"{echo['path']}?{echo['query']}"
            self.find("all", "rewrites", _("the URL became {url}"), url=url)
        for name, value in sent.items():
            if headers.get(name.lower()) != value:
                self.find("all", "strips", _("the application did not receive {name}"), name=name)

    async def _recognise(self) -> None:
        """Recognise the platforms between this client and the application."""
        response = self.health.headers if self.health else {}
        request = self.echo.get("headers", {})
        rejected = await self.target.rejection()
        self.platforms = [
            platform
            for platform in PLATFORMS.values()
            if platform.matches(response, request, rejected)
        ]

    def _check_limits(self) -> None:
        """Report limits that the platforms document and that this examination did not reach."""
        if ("longpoll", "times out") in {(each.technique, each.fault) for each in self.findings}:
            return
        for platform in self.platforms:
            limit = platform.first_byte
            if limit is not None and self.idle <= limit < LONGEST_HOLD:
                evidence = _(
                    "as delivered, {platform} ends a request that is not answered within "
                    "{limit} s; --idle {more} tests it"
                )
                named = evidence.format(
                    platform=platform.name, limit=f"{limit:g}", more=f"{limit + 5:g}"
                )
                self.find("longpoll", "times out", named, "note")

    async def _publishing(self) -> None:
        room = _room()
        response = await self._publish(room, "hi", headers={"Origin": self.target.url})
        if response.status != 201:
            evidence = _("POST /publish/ with its own Origin: {response}")
            self.find("all", "refuses", evidence, response=_describe(response))
        large = await self._publish(room, "hi", padding=60_000)
        if large.status == 413 or not large.status:
            evidence = _("a body of 60 kB: {response}")
            self.find("all", "limits bodies", evidence, response=_describe(large))

    async def _publish(
        self,
        room: str,
        text: str,
        headers: dict[str, str] | None = None,
        padding: int = 0,
    ) -> HttpTrace:
        """Publish, and return the response. After 429, try again after its Retry-After."""
        body = json.dumps({"sender": "doctor", "text": text}).encode() + b" " * padding
        headers = {"Content-Type": "application/json", **(headers or {})}
        for attempt in range(1, TRIES + 1):
            response = await self.target.fetch(f"/publish/{room}/", headers=headers, body=body)
            if response.status != 429 or attempt == TRIES:
                break
            pause = response.headers.get("retry-after", "")
            await asyncio.sleep(min(float(pause), PATIENCE) if pause.isdecimal() else 1.0)
        return response

    async def _published(self, room: str, text: str) -> float:
        """Publish, and return the event loop's time of the request. Raise `NotPublished`."""
        response = await self._publish(room, text)
        if response.status != 201:
            raise NotPublished(response)
        return response.began

    async def _browser_protocol(self) -> None:
        if self.target.tls is None:
            evidence = _("no TLS, so no HTTP/2: six connections a host")
            self.find("all", "http/1.1", evidence, "note")
            return
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        _reader, writer = await asyncio.open_connection(
            self.target.host, self.target.port, ssl=context
        )
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        writer.transport.abort()
        if chosen != "h2":
            evidence = _("ALPN chose {protocol}: six connections a host")
            self.find("all", "http/1.1", evidence, "note", protocol=chosen)

    async def _exposed(self) -> None:
        response = await self.target.fetch("/metrics")
        if response.status == 200 and b"realtime_" in response.body:
            self.find("all", "exposes", _("GET /metrics is public"), "note")

    # --- Polling --------------------------------------------------------------------------

    async def _poll(self, technique: Technique) -> None:
        room = _room()
        path = technique.url_path(room)
        headers = {"Accept-Encoding": ACCEPTED}
        before = await self.target.fetch(path, headers=headers)
        if before.status != 200:
            self.find(technique.name, "refuses", _describe(before))
            return
        await self._published(room, "fresh")
        after = await self.target.fetch(path, headers=headers)
        if b"fresh" not in after.body:
            evidence = _("a poll after a publish received the earlier response")
            self.find(technique.name, "caches", evidence)

    # --- Streams --------------------------------------------------------------------------

    async def _stream(self, technique: Technique) -> None:
        name = technique.name
        room = _room()
        path = technique.url_path(room)
        async with self.target.trace(path, headers={"Accept-Encoding": ACCEPTED}) as stream:
            has_head = await stream.read(PATIENCE, lambda: stream.head_at is not None)
            if has_head and stream.status != 200:
                self.find(name, "refuses", _describe(stream))
                return
            await stream.read(
                PATIENCE, lambda: b"\n" in stream.body
            )  # every stream begins with a line
            chunks, published = stream.chunks, 0
            for attempt in range(TRIES):
                delays = await self._delays(stream, room, attempt)
                published += EVENTS
                if None in delays or self._in_time(delays):
                    break
            if not has_head and stream.head_at is None:
                seconds = f"{now() - stream.began:.1f}"
                self.find(name, "buffers", _("no head after {seconds} s"), seconds=seconds)
                return
            if missing := delays.count(None):
                evidence = _("{missing} of {events} events did not arrive within {seconds} s")
                wait = f"{PATIENCE + APART:.1f}"
                self.find(name, "buffers", evidence, missing=missing, events=EVENTS, seconds=wait)
            elif not self._in_time(delays):
                evidence = _("an event arrived {seconds} s after its publish")
                latest = f"{max(filter(None, delays)):.2f}"
                self.find(name, "buffers", evidence, seconds=latest)
            self._check_head(technique, stream)
            received = stream.chunks - chunks
            if None not in delays and stream.chunks and received != published:
                evidence = ngettext(
                    "{published} events, published {seconds} s apart, arrived in {number} chunk",
                    "{published} events, published {seconds} s apart, arrived in {number} chunks",
                    received,
                ).format(published=published, seconds=APART, number=received)
                self.find(name, "re-chunks", evidence, "note")

    async def _delays(self, stream: HttpTrace, room: str, attempt: int) -> list[float | None]:
        """Publish `EVENTS` events; return the seconds until each arrived, None if it did not."""
        texts = [f"event {attempt}.{number}.".encode() for number in range(EVENTS)]
        sent_at = []
        for text in texts:
            sent_at.append(await self._published(room, text.decode()) - stream.began)
            await stream.read(APART)
        await stream.read(PATIENCE, lambda: texts[-1] in stream.body)
        arrivals = map(stream.at, texts)
        return [
            None if arrival is None else arrival - sent
            for arrival, sent in zip(arrivals, sent_at, strict=True)
        ]

    def _in_time(self, delays: list[float | None]) -> bool:
        """Return whether every event arrived, and without more delay than the network causes."""
        allowed = LATE + 4 * self.round_trip
        return all(delay is not None and delay <= allowed for delay in delays)

    def _check_head(self, technique: Technique, stream: HttpTrace) -> None:
        name = technique.name
        coding = stream.headers.get("content-encoding", "identity")
        if coding != "identity":
            self.find(name, "compresses", f"Content-Encoding: {coding}")
        chunked = stream.headers.get("transfer-encoding", "").lower() == "chunked"
        if stream.version == "1.0" or not chunked:
            evidence = _("HTTP/{version} without chunks: a cut looks like the end")
            self.find(name, "downgrades", evidence.format(version=stream.version))
        content_type = stream.headers.get("content-type", _("none"))
        if content_type.partition(";")[0] != technique.media_type:
            evidence = _("expected Content-Type {expected}; got {received}")
            media_type = technique.media_type
            self.find(name, "strips", evidence, expected=media_type, received=content_type)
        if "cursor" not in stream.headers:
            self.find(name, "strips", _("the response's Cursor did not arrive"), "note")
        if stream.headers.get("incremental") != "?1":  # RFC 10036: for the next intermediary
            self.find(name, "strips", _("the response's Incremental did not arrive"), "note")
        if "no-transform" not in stream.headers.get("cache-control", ""):
            self.find(name, "strips", _("Cache-Control arrived without no-transform"), "note")

    async def _idle_stream(self, technique: Technique) -> None:
        name = technique.name
        path = technique.url_path(_room())
        async with self.target.trace(path) as stream:
            await stream.read(self.idle)
            if stream.status not in (0, 200):
                return  # `_stream` reports it
            if stream.ended_at is not None:
                error = f" ({stream.ending})" if stream.ending else ""
                evidence = _("ended after {seconds} s").format(seconds=f"{stream.ended_at:.1f}")
                self.find(name, "drops idle", f"{evidence}{error}")
            elif self.idle > HEARTBEAT + PATIENCE:
                latest = max((moment for moment, _size in stream.arrivals), default=0.0)
                if latest < HEARTBEAT - 1:
                    seconds = f"{self.idle:.0f}"
                    self.find(name, "buffers", _("no heartbeat in {seconds} s"), seconds=seconds)

    # --- Long polling ---------------------------------------------------------------------

    async def _long_poll(self, technique: Technique) -> None:
        name = technique.name
        path = f"{technique.url_path(_room())}?wait={self.idle:g}"  # an empty room
        poll = await self.target.fetch(path, seconds=self.idle + 10)
        idle = f"{self.idle:g}"
        if poll.status == 0:
            end = poll.ended_at if poll.ended_at is not None else self.idle + 10
            evidence = _("no response after {seconds} s").format(seconds=f"{end:.1f}")
            self.find(name, "times out", f"{evidence} {poll.ending}".strip())
        elif poll.status in (502, 503, 504) and poll.head_at and poll.head_at > SHORTER:
            evidence = _("{status} after {seconds} s, with a poll timeout of {idle} s")
            seconds = f"{poll.head_at:.1f}"
            self.find(name, "times out", evidence, status=poll.status, seconds=seconds, idle=idle)
        elif poll.status != 200:
            self.find(name, "refuses", _describe(poll))
        elif (poll.head_at or 0) < self.idle - SHORTER:
            evidence = _("answered after {seconds} s, with a poll timeout of {idle} s")
            self.find(name, "times out", evidence, seconds=f"{poll.head_at:.1f}", idle=idle)

    # --- WebSocket ------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self, technique: Technique, room: str) -> AsyncIterator[ClientConnection]:
        url = "ws" + self.target.url.removeprefix("http") + technique.url_path(room)
        async with connect(
            url,
            ssl=self.target.tls,
            origin=self.target.url,  # type: ignore[arg-type]
            open_timeout=PATIENCE + 4 * self.round_trip,
            proxy=None,  # no proxy of the environment, as in the other probes
            ping_interval=None,  # the connection must stay idle
            close_timeout=1,
        ) as socket:
            yield socket

    async def _socket(self, technique: Technique) -> None:
        name = technique.name
        room = _room()
        try:
            async with self._connected(technique, room) as socket:
                async with asyncio.timeout(PATIENCE):
                    await socket.recv()  # the backlog
                if socket.protocol.extensions:
                    names = ", ".join(extension.name for extension in socket.protocol.extensions)
                    evidence = _("negotiated {extensions}")
                    self.find(name, "compresses", evidence, "note", extensions=names)
                for _attempt in range(TRIES):
                    published_at = await self._published(room, "to the socket")
                    async with asyncio.timeout(PATIENCE):
                        await socket.recv()
                    delay = now() - published_at
                    if self._in_time([delay]):
                        break
                else:
                    evidence = _("an event arrived {seconds} s after its publish")
                    self.find(name, "buffers", evidence.format(seconds=f"{delay:.2f}"))
        except InvalidStatus as error:
            status = error.response.status_code
            evidence = _("expected 101 to the handshake; got {status}").format(status=status)
            if status in REJECTED:
                self.find(name, "refuses", evidence)
                return
            if self.echo.get("http_version") == "1.0":
                evidence += _("; the application received HTTP/1.0, which has no Upgrade")
            self.find(name, "upgrade", evidence)
        except (InvalidHandshake, ConnectionClosed, OSError, TimeoutError) as error:
            evidence = _("no WebSocket: {reason}").format(reason=str(error) or type(error).__name__)
            self.find(name, "upgrade", evidence)

    async def _idle_socket(self, technique: Technique) -> None:
        try:
            async with self._connected(technique, _room()) as socket:
                start = now()
                try:
                    async with asyncio.timeout(self.idle):
                        while True:
                            await socket.recv()
                except TimeoutError:
                    pass
                except ConnectionClosed as error:
                    code = error.rcvd.code if error.rcvd else 1006
                    evidence = _("closed ({code}) after {seconds} s")
                    seconds = f"{now() - start:.1f}"
                    self.find(technique.name, "drops idle", evidence, code=code, seconds=seconds)
        except (InvalidHandshake, OSError, TimeoutError):
            pass  # `_socket` reports it


def _room() -> str:
    return f"doctor-{secrets.token_hex(6)}"


def _is_health(response: HttpTrace) -> bool:
    try:
        return "status" in json.loads(response.body)
    except (ValueError, TypeError):
        return False


def _describe(response: HttpTrace) -> str:
    """Return the status and the beginning of the body, or why there is no response."""
    if not response.status:
        return _("no response ({reason})").format(reason=response.ending or _("still waiting"))
    return f"{response.status} {response.body[:120].decode(errors='replace')!r}"
