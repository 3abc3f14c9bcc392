"""The command line of the conformance kit."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from gettext import gettext as _
from pathlib import Path

from . import report
from .case import Failed
from .catalog import select
from .probe import PROFILES, STREAMS, Probe
from .raw import Origin, split
from .runner import AT_ONCE, Result, run


def gettext_noop(text: str) -> str:
    """Mark `text` for the catalog of `manage.py conform`."""
    return text


DESCRIPTION = gettext_noop(
    """\
Check a realtime HTTP endpoint against the standards, from outside.

Each case sends bytes to URL and compares the answer with one sentence of a standard. The report
quotes each sentence that the server violates, with its section.
"""
)
EPILOG = f"""\
examples:
  %(prog)s https://example.com/ --profile http          HTTP/1.1 alone
  %(prog)s https://example.com/events --profile sse     an event stream
  %(prog)s wss://example.com/socket                     a WebSocket
  %(prog)s https://example.com/ rfc9112/3.2 rfc9112/6   two sections
  %(prog)s --list --profile websocket                   the cases, without a server

A SECTION is a standard (rfc9112, rfc9110, rfc6455, rfc6202, rfc8259, sse, ndjson, headers,
contract), a paragraph of it (rfc9112/3.2) or one case (rfc9112/3.2/host-missing).

The report begins with the sentences of your endpoint's own standard. Those of HTTP follow: your
server is responsible for them rather than your code. A MUST that fails violates a standard. A
SHOULD that fails is advice, with the reason.

profiles:
  http       any URL; each of the others includes these cases, sent to URL
  sse        URL is an event stream (text/event-stream)
  ndjson     URL is a stream of JSON lines
  longpoll   URL holds a GET until there is an event; --timeout must exceed that time
  websocket  URL opens a WebSocket
  ours       URL is the root of a deployment of this project
Without --profile, the scheme of URL or the Content-Type of its response decides.

The kit is polite: {AT_ONCE} cases at a time with at most two connections each, no load, and every
wait has a limit (--timeout). It sends GET, HEAD, OPTIONS and an unknown method, malformed requests,
an empty POST to a WebSocket, and frames without data for the application. Only with --publish, or
after a prompt, it also sends data that an application may store or act on: text frames, and with
the profile "ours" events, in fresh rooms with random names. Test only servers whose operators
agree.

exit code: 0 if every MUST holds (with --strict: every SHOULD too), 1 if one fails, 2 if URL or an
option cannot be used. A case that does not apply, or cannot be judged, is skipped with the reason.
For a certificate of your own, set SSL_CERT_FILE.
"""


def parser(prog: str = "python -m conformance") -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(arguments)
    return arguments


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("url", nargs="?", metavar="URL", help=_("http, https, ws or wss"))
    arguments.add_argument(
        "sections", nargs="*", metavar="SECTION", help=_("only these cases; see below")
    )
    arguments.add_argument("--profile", choices=PROFILES, help=_("the kind of endpoint at URL"))
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


def main(arguments: Sequence[str], prog: str = "python -m conformance") -> int:
    """Run the command; return its exit code."""
    return execute(parser(prog).parse_intermixed_args(arguments))


def execute(options: argparse.Namespace) -> int:
    """Run the command with parsed options; return its exit code."""
    if options.list:
        return list_cases(options)
    if options.url is None:
        return unusable(_("URL is missing; --help has examples."))
    if not options.timeout > 0:
        return unusable(f"--timeout must be above 0 s; got {options.timeout:g}.")
    try:
        origin, target = split(options.url)
    except ValueError as error:
        return unusable(_("{url} cannot be used: {reason}.").format(url=options.url, reason=error))
    try:
        profile = asyncio.run(recognize(origin, target, options))
        cases = select(profile, options.sections)
    except Failed as error:
        return unusable(_("{url} cannot be used: {reason}.").format(url=options.url, reason=error))
    except ValueError as error:
        return unusable(f"{error}.")
    publish = options.publish or may_publish(options, profile)
    probe = Probe.of(origin, target, profile, timeout=options.timeout, publish=publish)
    started = _("{number} cases of profile {profile} …")
    print(started.format(number=len(cases), profile=profile), file=sys.stderr)
    results = asyncio.run(run(probe, cases, done=progress))
    write(options, profile, results)
    must, should = (report.failures(results, level) for level in ("MUST", "SHOULD"))
    return int(bool(must or (options.strict and should)))


def list_cases(options: argparse.Namespace) -> int:
    """Print the cases. The first positional argument may be a section here."""
    sections = [*([options.url] if options.url else []), *options.sections]
    sections = [section for section in sections if "://" not in section]
    try:
        cases = select(options.profile or "ours", sections)
    except ValueError as error:
        return unusable(f"{error}.")
    for line in report.listing(cases):
        show(line)
    return 0


def show(line: str) -> None:
    """Print a line; on a terminal, wrapped between words and indented."""
    if sys.stdout.isatty():
        line = textwrap.fill(
            line,
            shutil.get_terminal_size().columns,
            subsequent_indent=" " * (4 + len(line) - len(line.lstrip())),
            break_long_words=False,
            break_on_hyphens=False,
        )
    print(line)


def unusable(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


async def recognize(origin: Origin, target: str, options: argparse.Namespace) -> str:
    """Return the profile; raises `Failed` if the server cannot be reached."""
    probe = Probe.of(origin, target, "http", timeout=options.timeout, publish=False)
    if options.profile:
        async with probe.connect():
            return str(options.profile)
    if options.url.startswith("ws"):
        async with probe.connect():
            return "websocket"
    response = await probe.exchange(probe.request(), body=False)
    return STREAMS.get(response.media_type, "http")


def may_publish(options: argparse.Namespace, profile: str) -> bool:
    """Ask on a terminal whether cases that publish may run."""
    count = sum(case.publishes for case in select(profile, options.sections))
    if not count or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = _("{number} cases send data that {url} may store or act on. Run them? [y/N]")
    print(
        question.format(number=count, url=options.url),
        end=" ",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def progress(result: Result) -> None:
    if sys.stderr.isatty():
        print(".sF"[("passed", "skipped", "failed").index(result.outcome)], end="", file=sys.stderr)


def write(options: argparse.Namespace, profile: str, results: Sequence[Result]) -> None:
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
    if "-" not in (options.json, options.junit, options.markdown):
        for line in report.text(options.url, profile, results):
            show(line)
