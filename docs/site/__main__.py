"""`make docs`: build the site into build/site, and its Korean part into build/site/ko."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
from rich.console import Console

from realtime_demo.progress import progress

from .reference import ROOT, translated
from .slides import chapters, name_of_slides, write_slides
from .sources import LANGUAGES, Language, name_on_site, write_sources

SITE = ROOT / "build" / "site"


def build(language: Language, target: Path) -> int:
    """Build the site of a language into `target`; return Sphinx's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        write_sources(language, Path(folder))
        for page in chapters():
            link_slides(Path(folder) / f"{name_on_site(page)}.md", page, language)
        configuration = Path(__file__).parent
        shutil.copytree(configuration / "locale", Path(folder) / "locale")
        # -E: the sources are new files. -W --keep-going: show every warning, then fail.
        options = ["-E", "-W", "--keep-going", "-q", "-b", "html"]
        code = subprocess.run(
            [*(sys.executable, "-m", "sphinx"), *options, "-c", configuration, folder, target],
            env={**os.environ, "SITE_LANGUAGE": language},
        ).returncode
    write_slides(language, target)
    return code


def link_slides(source: Path, page: str, language: Language) -> None:
    """Add the link to a chapter's slides in HTML, since Sphinx does not know the slides."""
    title, _, rest = source.read_text().partition("\n")
    link = f'<a href="{name_of_slides(page)}">{translated("Slides", language)}</a>'
    source.write_text(f"{title}\n\n{link} · {rest.lstrip()}")


def main() -> int:
    argparse.ArgumentParser(prog="python -m docs.site", description=__doc__).parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
    django.setup()
    shutil.rmtree(SITE, ignore_errors=True)
    targets = {"en": SITE, "ko": SITE / "ko"}
    codes = []
    with progress(Console()) as show_step:
        for language in LANGUAGES:
            show_step(f"Building {targets[language].relative_to(ROOT)} …")
            codes.append(build(language, targets[language]))
    if not any(codes):
        print(f"The site is in {SITE.relative_to(ROOT)}: open {SITE / 'index.html'}")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
