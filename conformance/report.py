"""Results for people (text, Markdown) and for programs (JSON, JUnit)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from gettext import gettext as _
from gettext import ngettext
from xml.etree import ElementTree

from .case import Case
from .runner import Result


def failures(results: Sequence[Result], level: str) -> list[Result]:
    return [each for each in results if each.outcome == "failed" and each.case.level == level]


def summary(results: Sequence[Result]) -> str:
    """Return one line with the number of each outcome."""
    count = Counter(result.outcome for result in results)
    return ngettext(
        "{cases} case: {passed} passed, {must} MUST failed, {should} SHOULD failed, "
        "{skipped} skipped",
        "{cases} cases: {passed} passed, {must} MUST failed, {should} SHOULD failed, "
        "{skipped} skipped",
        len(results),
    ).format(
        cases=len(results),
        passed=count["passed"],
        must=len(failures(results, "MUST")),
        should=len(failures(results, "SHOULD")),
        skipped=count["skipped"],
    )


def text(url: str, profile: str, results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of the report: each sentence that is broken, then the skipped cases.

    The sentences of the profile itself come before those of HTTP.
    """
    results = sorted(results, key=lambda result: result.case.kind == "http")
    for level in ("MUST", "SHOULD"):
        by_sentence: dict[tuple[str, str, str], list[Result]] = {}
        for result in failures(results, level):
            case = result.case
            by_sentence.setdefault((case.place, case.sentence, case.link), []).append(result)
        for (place, sentence, link), broken in by_sentence.items():
            yield f"{level} ({place}) {sentence}."
            if link:
                yield f"    {link}"
            for result in broken:
                yield f"  - {result.case.id}: {result.translated}"
            yield ""
    skipped: dict[str, list[str]] = {}
    for result in results:
        if result.outcome == "skipped":
            skipped.setdefault(result.translated, []).append(result.case.id)
    if skipped:
        yield _("Skipped:")
        for reason, ids in skipped.items():
            shown = ", ".join(ids[:3])
            if len(ids) > 3:
                shown = _("{shown} and {number} more").format(shown=shown, number=len(ids) - 3)
            yield f"  {reason}: {shown}"
        yield ""
    yield _("{url} as {profile}: {summary}.").format(
        url=url, profile=profile, summary=summary(results)
    )


def listing(cases: Sequence[Case]) -> Iterator[str]:
    """Yield a line for each case: level, id and place."""
    for case in cases:
        publishes = f" ({_('publishes')})" if case.publishes else ""
        yield f"{case.level:6} {case.id}{publishes}: {case.sentence} ({case.place})"


def document(url: str, profile: str, results: Sequence[Result]) -> str:
    """Return the results as JSON."""
    cases = [
        {
            "id": result.case.id,
            "level": result.case.level,
            "outcome": result.outcome,
            "reason": result.reason,
            "seconds": round(result.seconds, 3),
            "sentence": result.case.sentence,
            "place": result.case.place,
            "link": result.case.link,
        }
        for result in results
    ]
    return json.dumps(
        {"url": url, "profile": profile, "cases": cases}, ensure_ascii=False, indent=1
    )


def junit(url: str, results: Sequence[Result], *, strict: bool) -> str:
    """Return the results as JUnit XML; a SHOULD that fails is a failure only if `strict`."""
    suite = ElementTree.Element("testsuite", name=f"conformance {url}", tests=str(len(results)))
    count: Counter[str] = Counter()
    for result in results:
        case = result.case
        element = ElementTree.SubElement(
            suite,
            "testcase",
            classname=case.section,
            name=case.id.rpartition("/")[2],
            time=f"{result.seconds:.3f}",
        )
        message = f"{case.level}: {result.reason}"
        if result.outcome == "failed" and (strict or case.level == "MUST"):
            failure = ElementTree.SubElement(element, "failure", message=message)
            failure.text = f"{case.place}: {case.sentence}"
            count["failures"] += 1
        elif result.outcome != "passed":
            ElementTree.SubElement(element, "skipped", message=message)
            count["skipped"] += 1
    suite.set("failures", str(count["failures"]))
    suite.set("skipped", str(count["skipped"]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def markdown(names: Sequence[str], tables: Sequence[Sequence[Result]]) -> str:
    """Return tables of one or several servers: the numbers, and each case that fails."""
    lines = ["| | passed | MUST failed | SHOULD failed | skipped |", "| --- " * 5 + "|"]
    for name, results in zip(names, tables, strict=True):
        count = Counter(result.outcome for result in results)
        must, should = (len(failures(results, level)) for level in ("MUST", "SHOULD"))
        lines.append(f"| {name} | {count['passed']} | {must} | {should} | {count['skipped']} |")
    reasons: dict[Case, list[str]] = {}
    for column, results in enumerate(tables):
        for result in results:
            if result.outcome == "failed":
                cells = reasons.setdefault(result.case, [""] * len(names))
                cells[column] = result.reason.replace("|", "\\|")
    # Cases of a section that fail alike share a row.
    rows: dict[tuple[str, str, str, tuple[str, ...]], list[Case]] = {}
    for case, cells in sorted(reasons.items(), key=lambda item: (item[0].level, item[0].id)):
        place = f"[{case.place}]({case.link})" if case.link else case.place
        rows.setdefault((case.section, case.level, place, tuple(cells)), []).append(case)
    lines += [
        "",
        f"| case | level | place | {' | '.join(names)} |",
        "| --- " * (3 + len(names)) + "|",
    ]
    for (_section, level, place, columns), cases in rows.items():
        first, *others = cases
        name = ", ".join([f"`{first.id}`", *(f"`{each.id.rpartition('/')[2]}`" for each in others)])
        row = " | ".join([name, level, place, *columns])
        lines.append(f"| {row} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines) + "\n"
