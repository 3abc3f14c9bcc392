"""The development container, compared with what CI installs."""

from __future__ import annotations

import json
import re

from tests.support.program import ROOT

CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())


def test_the_container_has_the_packages_of_ci() -> None:
    of_ci = re.findall(r"missing\+=\(([^)]+)\)", (ROOT / ".ci" / "run").read_text())
    _, _, packages = CONTAINER["onCreateCommand"].partition("--no-install-recommends ")
    assert packages.split() == " ".join(of_ci).split()


def test_the_container_installs_the_project() -> None:
    makefile = (ROOT / "Makefile").read_text()
    target = CONTAINER["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    port = re.search(r"^PORT \?= (\d+)$", makefile, re.MULTILINE)
    assert port and CONTAINER["forwardPorts"] == [int(port[1])]
