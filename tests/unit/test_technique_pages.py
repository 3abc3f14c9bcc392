"""The techniques' pages: content, sequence diagrams and code excerpts."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from realtime_demo.web.code_excerpts import Excerpt
from realtime_demo.web.sequence_diagrams import (
    BROWSER,
    SERVER,
    WIDTH,
    Diagram,
    DiagramEvent,
    Down,
    Up,
)
from realtime_demo.web.technique_pages import PAGES, TechniquePage
from transports.registry import BY_NAME, TECHNIQUES

STATIC = Path(settings.BASE_DIR) / "realtime_demo/static/realtime_demo"
DIAGRAMS = [diagram for page in PAGES.values() for diagram in page.diagrams]
EXCERPTS = [excerpt for page in PAGES.values() for excerpt in (*page.server, *page.browser)]
each_page = pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.app)
each_diagram = pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.slug)


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost", "accept-language": "en"})


# --- The page ----------------------------------------------------------------------------------


@each_page
def test_a_page_has_diagrams_code_and_caveats(client: Client, page: TechniquePage) -> None:
    response = client.get(f"/{page.app}/")
    body = response.content.decode()
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert f"<h1>{page.label}</h1>" in body
    assert body.count('<svg class="sequence"') == len(page.diagrams)
    for excerpt in (*page.server, *page.browser):
        assert excerpt.html in body
    for name in page.names:
        for caveat in BY_NAME[name].caveats:
            assert caveat.link in body
    assert 'aria-current="page"' in body
    assert "style=" not in body
    assert "<script>" not in body


def test_every_technique_on_the_page_has_a_page(client: Client) -> None:
    on_page = {technique.name for technique in TECHNIQUES if technique.on_page}
    assert {name for page in PAGES.values() for name in page.names} == on_page


def test_pages_link_to_their_neighbours(client: Client) -> None:
    apps = list(PAGES)
    for before, after in pairwise(apps):
        assert f'rel="next" href="/{after}/"' in client.get(f"/{before}/").content.decode()
        assert f'rel="prev" href="/{before}/"' in client.get(f"/{after}/").content.decode()


def test_post_is_rejected(client: Client) -> None:
    assert client.post("/polling/").status_code == 405


def test_colours_match_the_registry() -> None:
    css = (STATIC / "technique.css").read_text()
    for technique in (technique for technique in TECHNIQUES if technique.on_page):
        dark, light = technique.colour
        rule = f'[data-technique="{technique.name}"] {{ --on-light: {light}; --on-dark: {dark}; }}'
        assert rule in css


# --- Diagrams ----------------------------------------------------------------------------------


@each_diagram
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_diagram_stays_within_its_frame(diagram: Diagram, language: str) -> None:
    with translation.override(language):
        root = ElementTree.fromstring(diagram.svg())
        descriptions = diagram.descriptions()
    *_, width, height = map(float, root.attrib["viewBox"].split())
    assert width == WIDTH
    assert len(descriptions) == len(diagram.steps)
    lines = [path for path in root.iter("path") if path.get("class") == "arrow down"]
    assert lines
    for circle in root.iter("circle"):
        assert 0 < float(circle.attrib["cy"]) < height
        assert float(circle.attrib["cx"]) == BROWSER
    for rectangle in root.iter("rect"):
        assert float(rectangle.attrib["height"]) > 0
        assert abs(float(rectangle.attrib["x"]) + 5 - SERVER) in (0, SERVER - BROWSER)


@each_diagram
def test_each_event_arrives_with_a_later_response(diagram: Diagram) -> None:
    events = [step for step in diagram.steps if isinstance(step, DiagramEvent)]
    assert [event.received for event in events] == sorted(event.received for event in events)
    for event in events:
        carrier = [
            step
            for step in diagram.steps
            if isinstance(step, Down)
            and not step.empty
            and abs(step.at + 1 - event.received) < 1e-9
        ]
        assert len(carrier) == 1
        assert carrier[0].at >= event.at


@pytest.mark.parametrize("diagram", DIAGRAMS[:-1], ids=lambda diagram: diagram.slug)
def test_retried_request_is_answered(diagram: Diagram) -> None:
    """Check the HTTP diagrams; in the last one, of WebSocket, both sides send at any time."""
    steps = [step for step in diagram.steps if isinstance(step, Up | Down)]
    requests = [step.at for step in steps if isinstance(step, Up)]
    for before, after in pairwise(requests):
        responses = [step.at for step in steps if isinstance(step, Down) and step.at >= before + 1]
        assert responses and min(responses) + 1 <= after + 1e-9


# --- Code --------------------------------------------------------------------------------------


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda each: f"{each.path}:{each.symbol}")
def test_excerpt_is_the_complete_source(excerpt: Excerpt) -> None:
    source = (Path(settings.BASE_DIR) / excerpt.path).read_text()
    first, last = excerpt.lines
    lines = source.splitlines()[first - 1 : last]
    assert [line.strip() for line in excerpt.text.splitlines()] == [line.strip() for line in lines]
    if excerpt.symbol:
        assert re.search(rf"\b{excerpt.symbol.rpartition('.')[2]}\b", excerpt.text)
    if excerpt.path.endswith(".py"):
        compile(excerpt.text, excerpt.path, "exec")
    else:
        assert excerpt.text.count("{") == excerpt.text.count("}")
        assert excerpt.text.startswith(("/**", "export"))
    assert re.sub(r"<[^>]+>", "", excerpt.html).strip()


def test_markup_in_code_stays_text() -> None:
    html = Excerpt("polling/endpoints.py").html
    assert "&lt;room&gt;" in html
    assert "<room>" not in html


@pytest.mark.parametrize(
    "excerpt",
    [
        Excerpt("transports/feed.py", "no_such_function"),
        Excerpt("websocket/session.py", "Session.no_such_method"),
        Excerpt("polling/static/polling/source.js", "NoSuchSource"),
    ],
)
def test_missing_symbols_raise_lookup_error(excerpt: Excerpt) -> None:
    with pytest.raises(LookupError, match=r"no_such|NoSuch"):
        _ = excerpt.lines
