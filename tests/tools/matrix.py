"""A short part of the tests on each Python and Django that are supported.

python -m tests.tools.matrix [--python 3.11 --python 3.13] [--django 5.2]

Makes an environment for each pair, with the extra `test`, and prints one line for it. A pair that
Django does not support is skipped, and so is a Python that is not installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# Each with the oldest Python that it supports.
DJANGOS = {"5.2": "3.11", "6.1": "3.12"}
TESTS = ["tests/unit/test_feed.py", "tests/unit/test_auth.py", "tests/server/test_background.py"]
SELECTION = "not killed and not postgresql and not daphne and not hypercorn and not granian"


def interpreter(version: str) -> str | None:
    """Return the path of that Python: of pyenv, whose shims in PATH may fail, or in PATH."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(pyenv[-1]) if pyenv else which(f"python{version}")


def run(python: str, django: str) -> bool:
    """Run the tests in a new environment; return whether they passed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        executable = str(Path(folder, "bin/python"))
        install = [executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        requirements = [f"{ROOT}[demo,production,test]", f"Django=={django}.*"]
        subprocess.run([*install, *requirements, "playwright"], check=True)
        arguments = ["-q", "-n", "0", "-p", "no:cacheprovider", *TESTS, "-k", SELECTION]
        return not subprocess.run([executable, "-m", "pytest", *arguments], cwd=ROOT).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", choices=PYTHONS)
    parser.add_argument("--django", action="append", choices=DJANGOS)
    options = parser.parse_args()
    results = {}
    for version in options.python or PYTHONS:
        python = interpreter(version)
        for django in options.django or DJANGOS:
            oldest = DJANGOS[django]
            pair = f"Python {version}, Django {django}"
            if PYTHONS.index(version) < PYTHONS.index(oldest):
                results[pair] = f"unsupported by Django {django}"
            elif python is None:
                results[pair] = "not tried: this Python is not installed"
            else:
                results[pair] = "passed" if run(python, django) else "failed"
    print("\n".join(f"{pair}: {result}" for pair, result in results.items()))
    sys.exit("failed" in results.values())


if __name__ == "__main__":
    main()
