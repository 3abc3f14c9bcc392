"""Header fields that every response of a realtime endpoint should have."""

from __future__ import annotations

from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import Response

CASES = Cases("http")
KINDS = ("http", "sse", "ndjson", "longpoll")
STREAMS = ("sse", "ndjson")


async def response_of(probe: Probe, kind: str) -> Response:
    """Return the response of the endpoint; for a stream, its beginning."""
    return (await probe.stream(kind)).response if kind in STREAMS else await probe.ordinary(kind)


async def _date(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if response.status < 500 and not response.all("date"):
        raise Failed("no Date")


async def _nosniff(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if response.get("x-content-type-options").lower() != "nosniff":
        raise Failed("no X-Content-Type-Options: nosniff")


async def _resource_policy(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    policy = response.get("cross-origin-resource-policy")
    if policy not in ("same-origin", "same-site", "cross-origin"):
        raise Failed(
            "expected Cross-Origin-Resource-Policy: same-origin, same-site or cross-origin; "
            "got {value!r}",
            value=policy,
        )


async def _no_store(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if not {"no-store", "no-cache"} & set(response.tokens("cache-control")):
        raise Failed(
            "expected no-store or no-cache; got {value!r}", value=response.get("cache-control")
        )


async def _no_transform(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if "no-transform" not in response.tokens("cache-control"):
        raise Failed("expected no-transform; got {value!r}", value=response.get("cache-control"))


async def _incremental(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if response.get("incremental").partition(";")[0] != "?1":
        raise Failed("expected Incremental: ?1; got {value!r}", value=response.get("incremental"))


async def _no_buffering(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if response.get("x-accel-buffering").lower() != "no":
        raise Failed("no X-Accel-Buffering: no")


async def _no_identity(probe: Probe, kind: str) -> None:
    response = await response_of(probe, kind)
    if "identity" in response.tokens("content-encoding"):
        raise Failed("got Content-Encoding: identity")


async def _vary_origin(probe: Probe, kind: str) -> None:
    data = probe.request("Origin: https://other.example", kind=kind)
    response = await probe.exchange(data, body=False)
    allowed = response.get("access-control-allow-origin")
    if allowed in ("", "*", "null"):
        raise Skipped("the response does not depend on the Origin")
    if "origin" not in response.tokens("vary"):
        raise Failed("Access-Control-Allow-Origin: {allowed} without Vary: Origin", allowed=allowed)


async def _not_compressed(probe: Probe, kind: str) -> None:
    data = probe.request("Accept-Encoding: gzip, deflate, br, zstd", kind=kind)
    response = await probe.exchange(data, body=False)
    if set(response.tokens("content-encoding")) - {"identity"}:
        raise Failed("got Content-Encoding: {value}", value=response.get("content-encoding"))


FAMILIES = {
    "rfc9110/6.6.1/date": (KINDS, _date),
    "headers/nosniff": (KINDS, _nosniff),
    "headers/cross-origin-resource-policy": (KINDS, _resource_policy),
    "headers/no-store": (("sse", "ndjson", "longpoll"), _no_store),
    "headers/no-transform": (STREAMS, _no_transform),
    "headers/incremental": (STREAMS, _incremental),
    "headers/no-buffering": (STREAMS, _no_buffering),
    "headers/vary": (KINDS, _vary_origin),
    "headers/content-encoding": (STREAMS, _no_identity),
    "headers/content-encoding/not-compressed": (STREAMS, _not_compressed),
}
for id, (kinds, check) in FAMILIES.items():
    for kind in kinds:
        CASES.each(f"{id}/", [kind], kind=kind)(check)
