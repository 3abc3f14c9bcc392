"""The guided scenes: that each can be played, and its answer filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from realtime_demo.situations import SITUATIONS, Situation
from transports.registry import TECHNIQUES

SCRIPTS = Path(settings.BASE_DIR) / "realtime_demo/static/realtime_demo"
LANES = {technique.name for technique in TECHNIQUES if technique.on_page}
SETTINGS = {"lanes", "window", "interval", "rate", "rtt", "jitter", "bandwidth"}
each_situation = pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.slug)


@each_situation
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_it_in_the_reader_s_language(situation: Situation, language: str) -> None:
    client = Client(headers={"host": "localhost", "accept-language": language})
    body = client.get(f"/?scene={situation.slug}").content.decode()
    found = re.search(r'<script id="configuration" type="application/json">(.*?)</script>', body)
    assert found
    with translation.override(language):
        expected = situation.for_browser()
    assert expected in json.loads(found[1])["situations"]
    assert bool(re.search("[가-힣]", expected["answer"])) == (language == "ko")


@each_situation
def test_one_choice_is_right(situation: Situation) -> None:
    assert len(situation.choices) == 3
    assert [choice.right for choice in situation.choices].count(True) == 1


def test_the_right_choice_is_not_always_the_same_one() -> None:
    places = [[choice.right for choice in each.choices].index(True) for each in SITUATIONS]
    assert len(set(places)) > 1
    assert len({each.slug for each in SITUATIONS}) == len(SITUATIONS)


@each_situation
def test_what_it_sets_and_does_is_known_to_the_page(situation: Situation) -> None:
    assert set(situation.settings) <= SETTINGS
    controls = "".join((SCRIPTS / name).read_text() for name in ("controls.js", "scenes.js"))
    times = [action.after for action in situation.actions]
    assert times == sorted(times)
    for action in situation.actions:
        assert 0 < action.after < situation.duration
        assert re.search(rf'"{action.do}"|\b{action.do}: ', controls), action.do


@each_situation
def test_its_answer_asks_for_figures_that_there_are(situation: Situation) -> None:
    measured = (SCRIPTS / "scenes.js").read_text().partition("function figures(")[2]
    figures = re.findall(r"\{(\w+)\.([\w-]+)\}", str(situation.answer))
    assert figures
    for figure, technique in figures:
        assert re.search(rf"\b{figure}\b[:,]", measured), figure
        assert technique in LANES | {"total"}
    assert len(figures) == str(situation.answer).count("{")


@each_situation
def test_it_leads_to_where_that_is_written(situation: Situation) -> None:
    assert urlsplit(situation.link).scheme == "https"
