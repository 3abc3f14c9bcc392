"""The command line of the conformance kit."""

from __future__ import annotations

import argparse
import asyncio
import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

from . import report
from .case import Case, Failed, gettext_noop
from .catalog import KINDS, select
from .probe import STREAMS, Probe
from .raw import Origin, split
from .runner import AT_ONCE, Outcome, Result, run

Wrap = Callable[..., list[str]]  # of a line and a width in columns
PROGRESS_INTERVAL = 5.0  # seconds
MARKS: dict[Outcome, str] = {"passed": ".", "skipped": "s", "failed": "F"}
REPORTS = ("json", "junit", "markdown")
DESCRIPTION = gettext_noop(
    """\
Check a realtime HTTP endpoint against the standards, from outside.

Each case sends bytes to URL and compares the answer with one sentence of a
standard. The report quotes each sentence that the server violates, with its
section.
"""
)
EPILOG = gettext_noop(
    """\
examples:
  %(prog)s https://example.com/ --profile http         HTTP/1.1
  %(prog)s https://example.com/events --profile sse    SSE
  %(prog)s wss://example.com/socket                    WebSocket
  %(prog)s https://example.com/ rfc9112/3.2 rfc9112/6  two parts
  %(prog)s --list --profile websocket                  a list

A SECTION is a standard (rfc9112, rfc9110, rfc6455, rfc6202, rfc8259, sse,
ndjson, headers, contract), a paragraph of it (rfc9112/3.2) or one case
(rfc9112/3.2/host-missing).

The report begins with the sentences of your endpoint's own standard. Those of
HTTP follow: your server is responsible for them rather than your code. A MUST
that fails violates a standard. A SHOULD that fails is advice, with the reason.

profiles:
  http       any URL; each of the others includes these cases, sent to URL
  sse        URL is an event stream (text/event-stream)
  ndjson     URL is a stream of JSON lines
  longpoll   URL holds a GET until there is an event; --timeout must exceed
             that time
  websocket  URL opens a WebSocket
  ours       URL is the root of a deployment of this project
Without --profile, the scheme of URL or the Content-Type of its response
decides.

The kit is polite: {at_once} cases at a time with at most two connections each,
no load, and every wait has a limit (--timeout). It sends GET, HEAD, OPTIONS and
an unknown method, malformed requests, an empty POST to a WebSocket, and frames
without data for the application. Only with --publish, or after a prompt, it
also sends data that an application may store or act on: text frames, and with
the profile "ours" events, in fresh rooms with random names. Test only servers
whose operators agree.

exit code: 0 if every MUST holds (with --strict: every SHOULD too), 1 if one
fails, 2 if URL or an option cannot be used. A case that does not apply, or
cannot be judged, is skipped with the reason. For a certificate of your own, set
SSL_CERT_FILE.
"""
)


def parser(prog: str = "python -m conformance") -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(arguments)
    return arguments


def epilog() -> str:
    """Return the examples and explanations at the end of the help."""
    return _(EPILOG).format(at_once=AT_ONCE)


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("url", nargs="?", metavar="URL", help=_("http, https, ws or wss"))
    arguments.add_argument(
        "sections", nargs="*", metavar="SECTION", help=_("only these cases; see below")
    )
    arguments.add_argument("--profile", choices=list(KINDS), help=_("the kind of endpoint at URL"))
    arguments.add_argument("--list", action="store_true", help=_("list the cases and exit"))
    arguments.add_argument(
        "--strict", action="store_true", help=_("a SHOULD that fails counts too")
    )
    arguments.add_argument("--publish", action="store_true", help=_("permit cases that publish"))
    arguments.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="S",
        help=_("seconds of each wait (default: 5)"),
    )
    arguments.add_argument("--json", metavar="FILE", help=_("write the results as JSON; -: stdout"))
    arguments.add_argument("--junit", metavar="FILE", help=_("write them as JUnit XML; -: stdout"))
    arguments.add_argument(
        "--markdown", metavar="FILE", help=_("write them as Markdown; -: stdout")
    )


def wrap_words(text: str, width: int, *, first: str, indent: str) -> list[str]:
    """Return `text` in lines of at most `width` characters, unless a word is longer."""
    return textwrap.wrap(
        text.strip(),
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def main(arguments: Sequence[str], prog: str = "python -m conformance") -> int:
    """Run the command; return its exit code."""
    return execute(parser(prog).parse_intermixed_args(arguments))


def execute(options: argparse.Namespace, wrap: Wrap = wrap_words) -> int:
    """Run the command with parsed options; return its exit code.

    `wrap` wraps the lines of the report for a terminal.
    """
    if options.list:
        return list_cases(options, wrap)
    if options.url is None:
        return unusable(_("URL is missing; --help has examples."))
    if not 0 < options.timeout < math.inf:
        return unusable(
            _("--timeout must be above 0 s; got {seconds}.").format(seconds=f"{options.timeout:g}")
        )
    for option in REPORTS:
        file = getattr(options, option)
        try:
            if file and file != "-":
                Path(file).open("a").close()
        except OSError as error:
            message = _("--{option}: {file} cannot be written: {reason}.")
            return unusable(message.format(option=option, file=file, reason=error.strerror))
    try:
        origin, target = split(options.url)
    except ValueError as error:
        return unusable(_("{url} cannot be used: {reason}.").format(url=options.url, reason=error))
    try:
        profile = asyncio.run(recognize(origin, target, options))
        cases = select(profile, options.sections)
    except Failed as error:
        message = _("{url} cannot be used: {reason}.")
        return unusable(message.format(url=options.url, reason=error.translated))
    except ValueError as error:
        return unusable(f"{error}.")
    publish = options.publish or may_publish(options, profile)
    probe = Probe.of(origin, target, profile, timeout=options.timeout, publish=publish)
    started = ngettext(
        "{number} case of profile {profile} …", "{number} cases of profile {profile} …", len(cases)
    )
    print(started.format(number=len(cases), profile=profile), file=sys.stderr)
    results = asyncio.run(run_with_progress(probe, cases))
    write(options, profile, results, wrap)
    must, should = (report.failures(results, level) for level in ("MUST", "SHOULD"))
    return int(bool(must or (options.strict and should)))


def list_cases(options: argparse.Namespace, wrap: Wrap) -> int:
    """Print the cases. The first positional argument may be a section here."""
    sections = [*([options.url] if options.url else []), *options.sections]
    sections = [section for section in sections if "://" not in section]
    try:
        cases = select(options.profile or "ours", sections)
    except ValueError as error:
        return unusable(f"{error}.")
    for line in report.listing(cases):
        show(line, wrap)
    return 0


def show(line: str, wrap: Wrap) -> None:
    """Print a line; on a terminal, wrapped between words and indented."""
    if sys.stdout.isatty():
        indent = " " * (len(line) - len(line.lstrip()))
        width = shutil.get_terminal_size().columns
        line = "\n".join(wrap(line, width, first=indent, indent=f"{indent}    "))
    print(line)


def unusable(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


async def recognize(origin: Origin, target: str, options: argparse.Namespace) -> str:
    """Return the profile; raises `Failed` if the server cannot be reached."""
    probe = Probe.of(origin, target, "http", timeout=options.timeout, publish=False)
    profile = options.profile or ("websocket" if options.url.startswith("ws") else "")
    if profile:
        async with probe.connect():
            return str(profile)
    response = await probe.exchange(probe.request(), body=False)
    return STREAMS.get(response.media_type, "http")


def may_publish(options: argparse.Namespace, profile: str) -> bool:
    """Ask on a terminal whether cases that publish may run."""
    count = sum(case.publishes for case in select(profile, options.sections))
    if not count or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = ngettext(
        "{number} case sends data that {url} may store or act on. Run it? [y/N]",
        "{number} cases send data that {url} may store or act on. Run them? [y/N]",
        count,
    )
    print(question.format(number=count, url=options.url), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def run_with_progress(probe: Probe, cases: Sequence[Case]) -> list[Result]:
    """Run the cases. Print a character for each on a terminal; elsewhere, a line every 5 s."""
    on_terminal = sys.stderr.isatty()
    finished = 0

    def count(result: Result) -> None:
        nonlocal finished
        finished += 1
        if on_terminal:
            print(MARKS[result.outcome], end="", file=sys.stderr, flush=True)

    async def report_progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            print(f"… {finished}/{len(cases)}", file=sys.stderr, flush=True)

    reporting = None if on_terminal else asyncio.create_task(report_progress())
    try:
        return await run(probe, cases, done=count)
    finally:
        if reporting:
            reporting.cancel()


def write(options: argparse.Namespace, profile: str, results: Sequence[Result], wrap: Wrap) -> None:
    """Write each requested report, and the text unless another report goes to stdout."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
    reports: tuple[tuple[str | None, Callable[[], str]], ...] = (
        (options.json, lambda: report.document(options.url, profile, results)),
        (options.junit, lambda: report.junit(options.url, results, strict=options.strict)),
        (options.markdown, lambda: report.markdown([options.url], [results])),
    )
    for file, make in reports:
        if file == "-":
            print(make())
        elif file:
            Path(file).write_text(make() + "\n", encoding="utf-8")
    if "-" not in (getattr(options, option) for option in REPORTS):
        for line in report.text(options.url, profile, results):
            show(line, wrap)
