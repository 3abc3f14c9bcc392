"""The registry of techniques, and the same files in each app."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured

from transports.registry import BY_NAME, TECHNIQUES, Technique

ROOT = Path(__file__).resolve().parents[2]
APPS = ["polling", "longpoll", "streaming", "websocket"]
SHAPE = ["README.md", "client.py", "routing.py"]


@pytest.mark.parametrize("app", APPS)
def test_the_apps_have_the_same_files(app: str) -> None:
    server = "consumers.py" if app == "websocket" else "endpoints.py"
    for name in [*SHAPE, server, f"static/{app}/source.js"]:
        assert (ROOT / app / name).is_file(), f"{app} has its {name}"
    assert app in settings.INSTALLED_APPS


def test_the_registry_names_existing_code(technique: Technique) -> None:
    module, _, name = technique.source.partition(":")
    path = finders.find(module)
    assert isinstance(path, str)
    source = Path(path).read_text()
    assert re.search(rf"export (default )?class {name}\b", source)
    assert callable(technique.events)
    assert "{room}" in technique.path
    assert technique.caveats
    assert all(caveat.link.startswith("https://") for caveat in technique.caveats)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(TECHNIQUES)
    on_page = [technique for technique in TECHNIQUES if technique.on_page]
    assert len({technique.colour for technique in on_page}) == len(on_page)


@pytest.mark.parametrize("name", ["nothing", "nothing:TECHNIQUE", "json:TECHNIQUE", ":TECHNIQUE"])
def test_a_missing_additional_technique_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADDITIONAL_TECHNIQUES", name)
    with pytest.raises(ImproperlyConfigured, match=f"must have module:attribute; got '{name}'"):
        runpy.run_path(str(ROOT / "transports/registry.py"))
