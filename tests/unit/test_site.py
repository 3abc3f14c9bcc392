"""The documentation site: its navigation, its links, and the pages made from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.site import sources
from docs.site.navigation import GENERATED, SECTIONS, Section
from docs.site.reference import commands_page, schemas_page, settings, settings_page
from docs.site.sources import LANGUAGES, Language, all_pages, name_on_site, write_sources
from tests.support.program import ROOT, tracked_files

TRACKED = tracked_files("*.md")
NOT_ON_SITE = {"CHANGELOG"}  # in English only

each_language = pytest.mark.parametrize("language", LANGUAGES)


def test_the_navigation_names_every_page() -> None:
    """A new page needs an entry in `docs/site/navigation.py`."""
    pages = {name.removesuffix(".md") for name in TRACKED if not name.endswith(".ko.md")}
    assert set(all_pages()) == pages - NOT_ON_SITE | set(GENERATED)
    assert len(all_pages()) == len(set(map(name_on_site, all_pages())))


def test_the_navigation_has_captions_in_every_language() -> None:
    for section in SECTIONS:
        assert set(section.captions) == set(LANGUAGES)
        assert all(section.captions.values())


def test_every_page_is_in_both_languages() -> None:
    korean = {name.removesuffix(".ko.md") for name in TRACKED if name.endswith(".ko.md")}
    assert korean == set(all_pages()) - set(GENERATED)


@each_language
def test_every_link_on_the_site_has_a_target(language: Language, tmp_path: Path) -> None:
    write_sources(language, tmp_path)
    pages = sorted(tmp_path.rglob("*.md"))
    assert len(pages) >= len(all_pages())
    for page in pages:
        if page.is_relative_to(tmp_path / sources.FILES):
            continue
        for _image, _label, link in sources.LINK.findall(sources.FENCE.sub("", page.read_text())):
            if "://" not in link and not link.startswith("#"):
                assert (page.parent / link.partition("#")[0]).exists(), (page.name, link)


def test_the_korean_site_has_korean_pages(tmp_path: Path) -> None:
    write_sources("ko", tmp_path)
    assert (tmp_path / "classroom.md").read_text().startswith("# 50분 수업안")
    assert (tmp_path / "contributing.md").read_text().startswith("# 기여하기")
    assert "](notes.md)" in (tmp_path / "index.md").read_text(), "not notes.ko.md"


def test_chapters_are_in_the_order_of_their_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs" / "workshop"
    folder.mkdir(parents=True)
    for name in ("a", "a.ko", "b", "c", "README", "README.ko"):
        (folder / f"{name}.md").touch()
    (folder / "README.md").write_text("First [c](c.md), then [a](a.md).")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    pages = sources.pages_of(Section({}, ("docs/workshop/*",)))
    assert pages == [f"docs/workshop/{name}" for name in ("README", "c", "a", "b")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("# A\n\n[한국어](a.ko.md)\n\nB", "# A\n\nB"),
        ("# A\n\n[English](a.md) · [all](b.md)\n\nB", "# A\n\n[all](b.md)\n\nB"),
    ],
)
def test_the_link_to_the_other_language_is_left_out(text: str, kept: str) -> None:
    assert sources.SISTER.sub("", text, count=1) == kept


def test_a_link_without_a_target_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"docs/demo.md links to missing.md"):
        sources.change_links("[a page](missing.md)", "docs/demo", tmp_path)


@each_language
def test_every_environment_variable_is_in_the_reference(language: str) -> None:
    source = (ROOT / "realtime_demo" / "settings.py").read_text()
    read = {
        name
        for pair in re.findall(r"""_\w+\("([A-Z_]+)"|environ\.get\("([A-Z_]+)\"""", source)
        for name in pair
        if name
    }
    assert {setting.name for setting in settings()} == read
    page = settings_page(language)
    assert all(f"| `{name}` |" in page for name in read)
    row = {
        "en": "| `TEXT_LENGTH` | integer | `2000` | characters in an event's text |",
        "ko": "| `TEXT_LENGTH` | 정수 | `2000` | 이벤트 텍스트의 글자 수 |",
    }
    assert row[language] in page


@each_language
def test_every_command_is_in_the_reference(language: str) -> None:
    page = commands_page(language)
    for name in ("advise", "compare", "demo", "doctor", "notes", "runworker", "token"):
        assert f"## manage.py {name}" in page
    assert "| `make docs` |" in page
    assert "| `action list\\|start\\|check\\|hint\\|solution` |" in page
    assert ("연결을 받을 포트" in page) is (language == "ko")
    for row in re.findall(r"^\| `.*", page, re.MULTILINE):
        meaning = row.partition("` |")[2].strip(" |")
        assert language == "en" or not meaning or re.search("[가-힣]", meaning), row
    assert r"| `--language en\|ko` |" in page
    assert "--settings" not in page, "options of every command of Django"


@each_language
def test_every_chapter_has_slides(language: Language) -> None:
    """A slide for the title and the questions, and one for each section with its code."""
    pytest.importorskip("markdown_it", reason="'make install' installs it with myst-parser")
    from docs.site.slides import chapters, slides_of

    assert len(chapters()) == 13
    for page in chapters():
        text = sources.source_of(page, language).read_text()
        slides = slides_of(page, language)
        assert slides.count("<section>") == 1 + len(re.findall("^## ", text, re.MULTILINE))
        assert slides.count("<pre>") == len(re.findall("^```.", text, re.MULTILINE))
        assert 'href="' in slides
        assert not re.search(r"[.]md[)\"]", slides), "a link to a source"


@each_language
def test_the_schemas_are_in_the_reference(language: str) -> None:
    page = schemas_page(language)
    assert "## Event" in page
    assert "### join" in page
    assert '"address": "/websocket/{room}/"' in page


def test_a_korean_word_is_found_without_its_particle() -> None:
    pytest.importorskip("sphinx", reason="'make install' installs Sphinx")
    from docs.site.korean import SearchKorean

    words = SearchKorean({}).split("웹소켓은 polling보다 빨라요")
    assert {"웹소켓", "웹소켓은", "빨라", "빨라요"} <= set(words)
    assert "웹" not in words


def test_the_themes_words_are_translated_as_they_are() -> None:
    """A word that Furo changes would be in English again, without a warning."""
    furo = pytest.importorskip("furo", reason="'make install' installs Furo")
    folder = Path(furo.__file__).parent / "theme" / "furo"
    templates = "".join(file.read_text() for file in sorted(folder.rglob("*.html")))
    catalog = (ROOT / "docs/site/locale/ko/LC_MESSAGES/sphinx.po").read_text()
    words = re.findall(r'^msgid "(.+)"$', catalog, re.MULTILINE)
    assert len(words) >= 10
    assert [word for word in words if word not in templates] == ["Link to this heading"], "Sphinx's"
