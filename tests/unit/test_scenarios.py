"""The guided scenarios: their texts, settings, actions and figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from realtime_demo.web.scenarios import SCENARIOS, Scenario
from transports.registry import TECHNIQUES

SCRIPTS = Path(settings.BASE_DIR) / "realtime_demo/static/realtime_demo/panels"
LANES = {technique.name for technique in TECHNIQUES if technique.on_page}
SETTINGS = {"lanes", "window", "interval", "rate", "rtt", "jitter", "bandwidth"}
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.slug)


@each_scenario
@pytest.mark.parametrize("language", ["en", "ko"])
def test_scenarios_are_in_the_pages_language(scenario: Scenario, language: str) -> None:
    client = Client(headers={"host": "localhost", "accept-language": language})
    body = client.get(f"/?scene={scenario.slug}").content.decode()
    match = re.search(r'<script id="configuration" type="application/json">(.*?)</script>', body)
    assert match
    with translation.override(language):
        expected = scenario.for_browser()
    assert expected in json.loads(match[1])["scenarios"]
    assert bool(re.search("[가-힣]", expected["answer"])) == (language == "ko")


@each_scenario
def test_a_scenario_has_one_right_choice(scenario: Scenario) -> None:
    assert len(scenario.choices) == 3
    assert [choice.right for choice in scenario.choices].count(True) == 1


def test_the_right_choice_varies_between_scenarios() -> None:
    places = [[choice.right for choice in scenario.choices].index(True) for scenario in SCENARIOS]
    assert len(set(places)) > 1
    assert len({scenario.slug for scenario in SCENARIOS}) == len(SCENARIOS)


@each_scenario
def test_settings_and_actions_exist_on_the_page(scenario: Scenario) -> None:
    assert set(scenario.settings) <= SETTINGS
    controls = "".join((SCRIPTS / name).read_text() for name in ("controls.js", "scenarios.js"))
    times = [action.after for action in scenario.actions]
    assert times == sorted(times)
    for action in scenario.actions:
        assert 0 < action.after < scenario.duration
        assert re.search(rf'"{action.do}"|\b{action.do}: ', controls), action.do


@each_scenario
def test_answers_use_existing_figures(scenario: Scenario) -> None:
    script = (SCRIPTS / "scenario-figures.js").read_text()
    figures = re.findall(r"\{(\w+)\.([\w-]+)\}", str(scenario.answer))
    assert figures
    for figure, technique in figures:
        assert re.search(rf"^      {figure}[:,]|\"{figure}[.]total\"", script, re.M), figure
        assert technique in LANES | {"total"}
    assert len(figures) == str(scenario.answer).count("{")


@each_scenario
def test_an_answer_cites_the_theory_beside_the_measurement(scenario: Scenario) -> None:
    with translation.override("en"):
        answer = str(scenario.answer)
    assert "theory predicts" in answer.lower()
    if scenario.slug in ("slow", "buffering", "gzip", "connections"):
        # A pause S delays its events by U(0, S): the 95th percentile over a run T is S - 0.05 T.
        begin, end = (action.after for action in scenario.actions)
        predicted = end - begin - 0.05 * scenario.duration
        assert f"predicts {predicted:.1f} s" in answer


@each_scenario
def test_diagram_links_to_its_source(scenario: Scenario) -> None:
    assert urlsplit(scenario.link).scheme == "https"
