"""The components of the comparison: figures, ledger, schedule, clock, load, clients, charts."""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.template import Context
from hypothesis import given, settings
from hypothesis import strategies as st

from longpoll.endpoints import LONGEST_POLL_TIMEOUT
from realtime_demo.comparison import plan
from realtime_demo.comparison.adapters import events_in
from realtime_demo.comparison.http_client import (
    HTTP_CLIENTS,
    TIMEOUT,
    HttpxConnection,
    MeasuredClient,
)
from realtime_demo.comparison.load import (
    Accepted,
    ClientsConfig,
    Publisher,
    PublishFailed,
    Subscribers,
)
from realtime_demo.comparison.output.charts import (
    LINE,
    WIDTH,
    Axis,
    Line,
    axis,
    chart,
    distribution,
    separate,
)
from realtime_demo.comparison.output.html import TEMPLATES
from realtime_demo.comparison.output.tables import amount
from realtime_demo.comparison.plan import SCENARIOS, Adapter, Settings, sweep
from realtime_demo.comparison.results import Check, GeneratorFigures, Ledger, Sample, Sent
from realtime_demo.comparison.server import Clock
from realtime_demo.comparison.statistics import (
    Spread,
    blocks,
    interval_between_runs,
    median_interval,
    quantile,
    student,
)
from tests.support.raw_server import Handler, request_of, serving_at
from tests.support.wire import response
from transports.client import OpenHttp, Rejected, TryLater, get_batch, open_http
from transports.events import InvalidEvent

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

# --- Figures -----------------------------------------------------------------------------

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@settings(deadline=None)
@given(samples, st.floats(0, 1))
def test_quantile_is_the_smallest_sufficient_sample(values: list[float], share: float) -> None:
    ordered = sorted(values)
    result = quantile(ordered, share)
    assert result in ordered
    assert sum(value <= result for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < result for value in ordered) <= share * len(ordered) + 1e-9


@settings(deadline=None)
@given(st.lists(samples, min_size=1, max_size=8))
def test_percentiles_are_of_all_samples(groups: list[list[float]]) -> None:
    spread = Spread.of(groups)
    merged = sorted(value for group in groups for value in group)
    assert spread.count == len(merged) and spread.longest == merged[-1]
    assert spread.p50 == statistics.median_low(merged)
    assert spread.low <= spread.p50 <= spread.high
    assert spread.mean == pytest.approx(statistics.fmean(merged))


def test_a_percentile_needs_an_event_beyond_it() -> None:
    """Deliveries of one event to many clients do not count as many events."""
    for events, known in ((9, 0), (10, 1), (99, 1), (100, 2), (999, 2), (1_000, 3)):
        clusters = [[event + client / 100 for client in range(20)] for event in range(events)]
        spread, merged = Spread.of(clusters), [value for group in clusters for value in group]
        percentiles = [(spread.p90, 0.9), (spread.p99, 0.99), (spread.p999, 0.999)]
        assert all(value == quantile(merged, share) for value, share in percentiles[:known])
        assert all(math.isnan(value) for value, _ in percentiles[known:]), events


def test_interval_of_clients_that_poll_in_turn() -> None:
    """Check the variance of an event's mean wait in docs/theory.md, for `plan.phases`."""
    clients, period, steps = 4, 2.0, 200
    variance = statistics.fmean(
        statistics.pvariance(
            statistics.fmean((phase - step * period / steps) % period for phase in phases)
            for step in range(steps)
        )
        for phases in (plan.phases(clients, period, seed) for seed in range(300))
    )
    stated = period**2 * (1 / 6 - 1 / (12 * clients)) / clients**2
    assert variance == pytest.approx(stated, rel=0.05)


def test_blocks_are_consecutive_in_time() -> None:
    clusters = [[float(k), k + 0.5] for k in range(100)] + [[]]
    result = blocks(clusters)
    assert [sample for block in result for sample in block] == [s for c in clusters for s in c]
    assert {len(block) for block in result} == {20}, "ten blocks of ten events"
    assert len(blocks([[1.0]] * 7)) == 5 and len(blocks([[1.0]] * 3)) == 3
    assert len(blocks([[1.0]] * 5_000)) == 30 and blocks([]) == []


def test_interval_allows_for_correlation_in_time() -> None:
    """If the samples drift slowly, intervals from events are too narrow; those from blocks fit."""
    generator, trials, covered = random.Random(7), 300, {"events": 0, "blocks": 0}
    for _ in range(trials):
        wave, clusters = generator.gauss(0, 1), list[list[float]]()
        for _ in range(400):
            wave = 0.8 * wave + 0.6 * generator.gauss(0, 1)  # stationary, of variance 1
            clusters.append([wave + generator.gauss(0, 0.3)])
        ordered = sorted(sample for cluster in clusters for sample in cluster)
        spread = Spread.of(clusters)
        intervals = {"events": median_interval(clusters, ordered)}
        intervals["blocks"] = spread.low, spread.high
        for name, (low, high) in intervals.items():
            covered[name] += low <= 0 <= high
    assert covered["blocks"] / trials >= 0.9
    assert covered["events"] / trials < 0.75


def test_figures_without_samples_are_nan() -> None:
    spread = Spread.of([[], []])
    assert spread.count == 0 and math.isnan(spread.p50) and math.isnan(spread.low)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_interval_covers_the_median_at_its_level(shared: float) -> None:
    """The samples of a cluster are correlated, as the deliveries of one event are."""
    generator, trials, covered, widths = random.Random(5), 400, 0, list[float]()
    for _ in range(trials):
        groups = []
        for _ in range(40):
            common = generator.gauss(0, shared)
            groups.append([common + generator.gauss(0, 1 - shared or 1e-3) for _ in range(8)])
        low, high = median_interval(groups, sorted(x for group in groups for x in group))
        covered += low <= 0 <= high
        widths.append(high - low)
    assert 0.90 <= covered / trials <= 0.995
    # With full correlation there are 40 independent samples, not 320.
    assert statistics.fmean(widths) > 2 * 1.25 * 1.96 * shared / math.sqrt(40) * 0.85


def test_interval_between_runs_covers_the_mean() -> None:
    mean, half = interval_between_runs([3.0, 4.0, 5.0])
    assert mean == 4.0 and half == pytest.approx(4.303 / math.sqrt(3))
    generator, covered = random.Random(11), 0
    for _ in range(500):
        mean, half = interval_between_runs([generator.gauss(7, 2) for _ in range(4)])
        covered += abs(mean - 7) <= half
    assert 0.92 <= covered / 500 <= 0.98


def test_student_t_matches_the_table() -> None:
    table = {1: 12.706, 3: 3.182, 4: 2.776, 10: 2.228, 30: 2.042, 1_000: 1.962}
    for freedom, value in table.items():
        assert student(freedom) == pytest.approx(value, rel=0.005)


# --- Ledger ------------------------------------------------------------------------------


def sent(*numbers: int) -> list[Sent]:
    return [Sent(n, float(n), float(n), float(n), float(n), seq=n + 10) for n in numbers]


def received(*deliveries: tuple[int, int]) -> list[Sample]:
    return [Sample(client, number, 99.0) for client, number in deliveries]


def test_ledger_counts_known_deliveries() -> None:
    samples = received(
        (0, -1), (0, 0), (0, 1), (0, 2), (0, 3),  # complete; -1 is of the warm-up
        (1, 0), (1, 2), (1, 1), (1, 2), (1, 99),  # 3 lost, 2 duplicated, 1 late, 99 foreign
    )  # fmt: skip
    ledger = Ledger.of(sent(0, 1, 2, 3), samples, clients=2)
    assert ledger == Ledger(sent=8, received=7, lost=1, duplicated=1, out_of_order=1)
    assert not ledger.complete
    assert Ledger.of(sent(0, 1), received((0, 0), (0, 1)), clients=1).complete
    assert Ledger.of(sent(0, 1), received((0, 0), (0, 1)), clients=2).lost == 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True), st.data())
def test_ledger_counts_generated_faults(numbers: list[int], data: st.DataObject) -> None:
    numbers.sort()
    dropped = set(data.draw(st.lists(st.sampled_from(numbers or [0])))) & set(numbers)
    duplicated = set(data.draw(st.lists(st.sampled_from(numbers or [0])))) & set(numbers) - dropped
    stream = [n for n in numbers if n not in dropped for _ in range(2 if n in duplicated else 1)]
    ledger = Ledger.of(sent(*numbers), received(*[(0, n) for n in stream]), clients=1)
    assert (ledger.lost, ledger.duplicated) == (len(dropped), len(duplicated))
    assert ledger.out_of_order == 0


# --- Schedule and clock ------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(0.5, 50), st.integers(0, 1_000))
def test_a_seed_fixes_the_schedule(rate: float, seed: int) -> None:
    first = plan.arrival_times(rate, 20, "poisson", seed)
    assert first == plan.arrival_times(rate, 20, "poisson", seed) == sorted(first)
    assert first != plan.arrival_times(rate, 20, "poisson", seed + 1) or not first
    even = plan.arrival_times(rate, 20, "fixed", seed)
    assert len(even) == pytest.approx(rate * 20, abs=1)
    assert all(b - a == pytest.approx(1 / rate) for a, b in pairwise(even))


def test_poisson_gaps_have_their_mean_and_spread() -> None:
    times = plan.arrival_times(10, 2_000, "poisson", 3)
    gaps = [b - a for a, b in pairwise(times)]
    assert statistics.fmean(gaps) == pytest.approx(0.1, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(0.1, rel=0.05)


@settings(deadline=None)
@given(st.integers(1, 50), st.floats(0.1, 10), st.integers(0, 99))
def test_polling_phases_are_random_and_even(clients: int, period: float, seed: int) -> None:
    phases = plan.phases(clients, period, seed)
    for number, phase in enumerate(phases):
        assert number * period / clients <= phase <= (number + 1) * period / clients


@settings(deadline=None)
@given(st.integers(-5, 10**6), st.integers(0, 300))
def test_text_contains_its_number(index: int, size: int) -> None:
    text = plan.text(index, size)
    assert plan.index_of(text) == index
    assert len(text) >= size or len(text) == len(str(index))
    assert plan.index_of(f"hello {index}") is None


def test_clock_uncertainty_is_half_the_round_trip() -> None:
    zero = time.time() - time.monotonic()
    probes = []
    for number, (up, down) in enumerate([(0.2, 0.1), (0.010, 0.014), (0.05, 0.3)]):
        at = 100.0 + number
        probes.append(Accepted("a-1", at, at + up + down, at + up + zero + 5.0, 0))
    clock = Clock.of(probes)
    assert clock.uncertainty == pytest.approx(0.012)
    assert abs(clock.offset - 5.0) <= clock.uncertainty
    assert clock.offset == pytest.approx(5.0 - 0.002, abs=0.001)  # half the asymmetry
    assert clock.published(probes[1]) == pytest.approx(101.012, abs=0.001)
    assert Clock.of([]).offset == 0


# --- The load ----------------------------------------------------------------------------


BATCH = response(b'{"room":"r","cursor":"a-7","events":[]}')


def once(answer: bytes) -> Handler:
    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return handle


@asynccontextmanager
async def publisher_to(handler: Handler, http_client: str = "httpx") -> AsyncIterator[Publisher]:
    async with serving_at(handler) as url:
        publisher = Publisher()
        await publisher.open(url, "/publish/{room}/", http_client=http_client)
        yield publisher
        await publisher.close()


async def test_delay_counts_from_the_intended_time() -> None:
    """No coordinated omission: a stall of 0.4 s delays the events that waited for it."""
    requests = 0

    async def stalling(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        while True:
            await request_of(reader)
            requests += 1
            if requests == 5:
                await asyncio.sleep(0.4)
            writer.write(response(b'{"id":"a-%d","published_at":1.0}' % requests, b"201 Created"))

    start = time.monotonic() + 0.1
    times = [number * 0.02 for number in range(15)]
    async with publisher_to(stalling) as publisher:
        published = await publisher.run("room", start, times, first=-2, size=20)
    events = published.events
    assert [event.index for event in events] == list(range(-2, 13))
    assert [event.intended - start for event in events] == pytest.approx(times)
    assert all(event.sent >= event.intended for event in events)
    # The sixth was due 20 ms after the fifth, but had to wait for the fifth's response.
    assert events[5].sent - events[5].intended >= 0.37
    assert not published.failures and not published.rejected


@pytest.mark.parametrize("http_client", HTTP_CLIENTS)
async def test_rejected_events_are_listed_by_number(http_client: str) -> None:
    requests = 0

    async def reject_alternately(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        while True:
            assert json.loads(await request_of(reader))["sender"] == "compare"
            requests += 1
            writer.write(response(b"{}", b"503 Busy" if requests % 2 else b"201 Created"))

    async with publisher_to(reject_alternately, http_client) as publisher:
        published = await publisher.run("room", time.monotonic(), [0.0] * 5, first=-1, size=20)
    assert published.rejected == [-1, 1, 3]
    assert published.failures == ["Expected 200 or 201; got 503: {}"] * 3
    assert [event.index for event in published.events] == [0, 2]


@pytest.mark.parametrize("http_client", HTTP_CLIENTS)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(b"busy", b"503 No"), "503: busy"),
        (b"HTTP/1.1 201 Created\r\n\r\n", "No response"),
        (b"nonsense\r\n\r\n", "not HTTP|illegal status line"),
        (b"", "closed before the end|disconnected"),
    ],
)
async def test_publish_failure_has_its_reason(answer: bytes, words: str, http_client: str) -> None:
    async with publisher_to(once(answer), http_client) as publisher:
        with pytest.raises(PublishFailed, match=words):
            await publisher.publish("room", 1, 10)


async def test_connect_timeout_has_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_demo.comparison.http_client.CONNECT_TIMEOUT", 0.05)
    with socket.socket() as full, ExitStack() as waiting:  # connections beyond its backlog wait
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        for _ in range(5):
            before = waiting.enter_context(socket.socket())
            before.setblocking(False)
            before.connect_ex(full.getsockname())
        with pytest.raises(TimeoutError, match="no connection in"):
            await Publisher().open(url, "/publish/{room}/")
        for connection in HTTP_CLIENTS.values():
            async with connection(url) as http:
                with pytest.raises(TimeoutError, match="no connection in"):
                    await http.get("/")


# --- The clients -------------------------------------------------------------------------


@pytest.mark.parametrize("connection", HTTP_CLIENTS.values())
@pytest.mark.parametrize(
    "answer",
    [
        response(b"hello"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    ],
)
async def test_http_client_reads_every_kind_of_body(
    answer: bytes, connection: Callable[[str], MeasuredClient]
) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if b"close" in answer:
                return

    async with serving_at(serve) as url, connection(url) as http:
        for _ in range(2):  # the second time over the same or a new connection
            assert (await http.get("/x")).body == b"hello"


@pytest.mark.parametrize("connection", HTTP_CLIENTS.values())
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", ConnectionError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", (ConnectionError, InvalidEvent)),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", (ConnectionError, InvalidEvent)),
        (b"garbage\r\n\r\n", (ConnectionError, InvalidEvent)),
    ],
)
async def test_http_clients_raise_for_broken_responses(
    answer: bytes, error: tuple[type[Exception], ...], connection: Callable[[str], MeasuredClient]
) -> None:
    async with serving_at(once(answer)) as url, connection(url) as http:
        with pytest.raises(error):
            await http.get("/x")


@pytest.mark.parametrize("open_client", [open_http, *HTTP_CLIENTS.values()])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (response(b"", b"404 No"), Rejected),
        (response(b"", b"503 No\r\nRetry-After: 1"), TryLater),
        (response(b"{}"), InvalidEvent),
        (response(b"news"), InvalidEvent),
    ],
)
async def test_http_clients_raise_for_bad_responses(
    open_client: OpenHttp, answer: bytes, error: type[Exception]
) -> None:
    async with serving_at(once(answer)) as url, open_client(url, {"X-One": "1"}) as client:
        with pytest.raises(error):
            await get_batch(client, "/x", {"since": "a-1"})


@pytest.mark.parametrize("open_client", [open_http, *HTTP_CLIENTS.values()])
async def test_http_clients_send_query_and_fields(open_client: OpenHttp) -> None:
    heads: list[bytes] = []

    async def answer(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(BATCH)

    async with serving_at(answer) as url, open_client(url, {"X-One": "1"}) as client:
        batch = await get_batch(client, "/x/", {"since": "a-1", "wait": "25"})
    assert str(batch.cursor) == "a-7"
    assert heads[0].startswith(b"GET /x/?since=a-1&wait=25 HTTP/1.1\r\n")
    assert b"x-one: 1\r\n" in heads[0].lower()


@pytest.mark.parametrize(("technique", "crowd"), [("longpoll", 4), ("polling", 1)])
async def test_request_probe_with_and_without_load(technique: str, crowd: int) -> None:
    waiting, concurrent = 0, list[int]()

    async def answer(reader: Reader, writer: Writer) -> None:
        nonlocal waiting
        while True:
            await reader.readuntil(b"\r\n\r\n")
            waiting += 1
            concurrent.append(waiting)
            await asyncio.sleep(0.01)
            waiting -= 1
            writer.write(BATCH)

    settings = Settings(techniques=(technique,), rtt=0.01)
    async with serving_at(answer) as url:
        config = ClientsConfig(settings.adapters[0], settings, url, True, "r", (0.0,) * 4)
        subscribers = Subscribers(config)
        assert await subscribers.probe() is not None and max(concurrent) == crowd
        concurrent.clear()
        assert await subscribers.probe_alone() is not None and set(concurrent) == {1}


async def test_two_hundred_httpx_clients_have_a_connection_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All wait for a response at the same time; a proxy of the environment is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    connections, everybody = 0, asyncio.Event()

    async def answer(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        if connections == 200:
            everybody.set()
        while await reader.readuntil(b"\r\n\r\n"):
            async with asyncio.timeout(30):
                await everybody.wait()
            writer.write(response(b""))

    async def ask_twice(url: str) -> None:
        async with HttpxConnection(url) as http:
            for _ in range(2):
                assert (await http.get("/")).status == 200

    async with serving_at(answer) as url:
        await asyncio.gather(*(ask_twice(url) for _ in range(200)))
    assert connections == 200, "the second request uses the first one's connection"


def test_http_clients_wait_longer_than_the_longest_poll() -> None:
    assert TIMEOUT > LONGEST_POLL_TIMEOUT


def test_adapters_read_events_lists_and_batches() -> None:
    event = {
        "id": "a-1", "type": "message", "room": "r", "sender": "s", "text": "t", "published_at": 1.0
    }  # fmt: skip
    for document in (event, [event], {"room": "r", "cursor": "a-1", "events": [event]}):
        assert [parsed.id for parsed in events_in(document)] == ["a-1"]
    with pytest.raises(InvalidEvent):
        events_in({"news": []})
    assert Adapter.parse("sse=/e/{room}").technique == "sse"
    for invalid in ("sse=", "sse=x", "smoke=/x", "smoke"):
        with pytest.raises(ValueError, match=r"got"):
            Adapter.parse(invalid)


# --- Settings, verdicts, charts ----------------------------------------------------------


def test_scenarios_and_sweeps_are_settings() -> None:
    assert plan.LONGEST_HOLD == LONGEST_POLL_TIMEOUT
    for scenario in SCENARIOS.values():
        assert Settings.from_document(scenario.document()) == scenario
        scenario.check_predictable()
    swept = sweep(Settings(), "rtt", (0, 50, 200))
    assert [configuration.rtt for configuration in swept] == [0, 0.05, 0.2]
    assert [each.clients for each in sweep(Settings(), "clients", (1, 2))] == [1, 2]
    with pytest.raises(ValueError, match="A sweep must be of"):
        sweep(Settings(), "seed", (1,))
    for other in ("sse", "longpoll=/news/{room}/"):
        assert Settings(techniques=(other,), hold=90).hold == 90, (
            "the limit of other servers is unknown"
        )


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        *((name, 0, "above 0") for name in ("clients", "rate", "duration", "rounds", "hold")),
        *((name, -1, "0 or more") for name in ("warmup", "interval", "rtt", "jitter", "size")),
        *((name, math.inf, "finite") for name in ("rate", "duration", "warmup", "interval", "rtt")),
        ("rtt", math.nan, "0 or more"),
    ],
)
def test_invalid_settings_are_rejected(setting: str, value: float, words: str) -> None:
    invalid: dict[str, Any] = {setting: value}
    with pytest.raises(ValueError, match=f"{setting} must be {words}; got {value}"):
        Settings(**invalid)
    assert Settings(bandwidth=math.inf).bandwidth == math.inf


@pytest.mark.parametrize(
    ("check", "agrees", "consistent"),
    [
        (Check("x", "", 100, 104.9, 0), True, True),
        (Check("x", "", 100, 105.1, 0), False, False),
        (Check("x", "", 1, 2.9, 2.0), True, True),
        (Check("x", "", 100, 112, 0, chance=8), False, True),
        (Check("x", "", 0, 0.1, 0), False, False),
    ],
)
def test_verdict_follows_deviation_and_uncertainty(
    check: Check, agrees: bool, consistent: bool
) -> None:
    assert (check.agrees, check.consistent) == (agrees, consistent)


def test_busy_load_generator_withholds_figures() -> None:
    assert GeneratorFigures(0.1, 0.1, 0.001, 0.002).bottleneck(0.005) is None
    assert "publisher used 90%" in (GeneratorFigures(0.9, 0.1, 0.0, 0.0).bottleneck(0.005) or "")
    late = GeneratorFigures(0.1, 0.2, 0.0, 0.020)
    assert "another process was using the machine" in (late.bottleneck(0.005) or "")
    assert late.bottleneck(0.5) is None, "20 ms are negligible in half a second"


@settings(deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(1.5, 1e4), st.booleans())
def test_ticks_are_few_and_within_the_axis(low: float, factor: float, log: bool) -> None:
    drawn = Axis(low if log else 0.0, low * factor, 0, 100, log)
    assert len(drawn.ticks()) <= 8
    for tick in drawn.ticks():
        assert -0.1 <= drawn.place(tick) <= 100.1


def test_chart_escapes_the_names_of_lines() -> None:
    drawing = chart("a < b", "x", "y", [Line("p & q", "sse", [(1, 2), (3, 4)])], log_x=True)
    svg = TEMPLATES.get_template("chart.svg").render(Context({"chart": drawing}))
    assert "a &lt; b" in svg and "p &amp; q" in svg and 'class="line measured sse"' in svg
    assert axis([], 0, 1).high > 0
    assert distribution([1.0, 2.0])[-1] == (2.0, 1.0)
    assert [amount(value) for value in (0.5, 2_000, 3e6)] == ["0.5", "2k", "3M"]


@given(st.lists(st.floats(0, 300), max_size=12).map(sorted))
def test_line_names_do_not_overlap(positions: list[float]) -> None:
    placed = separate(positions, 34.0, 218.0)
    assert len(placed) == len(positions)
    assert all(b - a >= LINE - 1e-9 for a, b in pairwise(placed))
    assert all(34 <= height <= 218 for height in placed)
    far = all(b - a >= LINE for a, b in pairwise(positions)) and min(positions, default=34) >= 34
    if far and max(positions, default=0) <= 218:
        assert placed == positions, "names with enough room do not move"


def test_line_names_are_in_the_order_of_points() -> None:
    lines = [Line(f"of {k}", "sse", [(1, 1), (2, 5 + k / 10)]) for k in range(5)]
    drawing = chart("title", "x", "y", [*lines, Line("alone", "sse", [(0.1, 5)], marks=True)])
    names = {text["text"]: text for text in drawing.texts if text["css"].startswith("name")}
    upwards = [float(names[f"of {k}"]["y"]) for k in range(5)]
    assert upwards == sorted(upwards, reverse=True) and len(set(upwards)) == 5
    assert max(float(names[f"of {k}"]["x"]) for k in range(5)) < WIDTH - 60


@pytest.mark.parametrize(("technique", "empty"), [("polling", 1), ("streaming", 0)])
async def test_empty_responses_are_counted_on_arrival(technique: str, empty: int) -> None:
    """The next request is an interval later, possibly in another window."""
    settings = Settings(techniques=(technique,))
    subscribers = Subscribers(ClientsConfig(settings.adapters[0], settings, "http://h", True, "r"))
    connection = cast(Any, SimpleNamespace(number=0))
    for direction, data in (
        ("up", b"GET / HTTP/1.1"),
        ("down", b'{"events":[{"id":"1"}]}'),
        ("up", b"GET / HTTP/1.1"),
        ("down", b'{"room":"r","eve'),
        ("down", b'nts":[]}'),
        ("down", b"\r\n"),
    ):
        subscribers.observe(connection, cast(Any, direction), data)
    assert (await subscribers.mark()).counts.empty == empty
