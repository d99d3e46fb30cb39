"""`monopod report`: a recorded run as an HTML page, JUnit XML, a trace, or the finished PipelineRun."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from monopod.runner.commands.options.recorded_run import add_recorded_run_argument, find_recorded_run
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import RecordedRun

SUMMARY = "export a recorded run as an HTML page, JUnit XML, a trace or JSON"

EXAMPLES = """\
  monopod report --open                               (the latest run, in the browser)
  monopod report -o report.html                       (as one self-contained file)
  monopod report ci-x7k2p -o report.html
  monopod report -o junit.xml                         (for CI systems that display test results)
  monopod report --format trace -o trace.json         (OpenTelemetry spans, OTLP JSON)

formats:
  html   a page with the DAG, a timeline, the critical path, params, Results, and searchable output
  junit  one test suite per Task, one test case per Step
  trace  one span per run, Task, attempt and Step
  json   the finished PipelineRun or TaskRun, as `monopod run -o json` prints it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_recorded_run_argument(parser)
    parser.add_argument(
        "--format",
        choices=("html", "junit", "trace", "json"),
        help="the format; by default the suffix of the output file decides (.xml: junit, .json: json), else html",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument(
        "--open",
        action="store_true",
        help="open the page in the browser, and print where it is: FILE, or a file in the record of the run. Without a "
        "browser, only print it",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Write the report. Raises OSError."""
    if arguments.format is None:
        arguments.format = "html" if arguments.open else _format_of(arguments.output)
    problem = _misused_option(arguments)
    if problem is not None:
        print(f"monopod report: {problem}", file=sys.stderr)
        return WRONG_INPUT
    run = find_recorded_run("report", arguments.run)
    if run is None:
        return WRONG_INPUT
    from monopod.runner.records.store import RecordError  # noqa: PLC0415  # not needed for --help

    try:
        text = _text(run, arguments.format)
    except RecordError as error:
        print(visible_lines(f"monopod report: {error}"), file=sys.stderr)
        return WRONG_INPUT
    if arguments.open:
        return _open(text, Path(arguments.output or run.record.directory / "report.html"))
    if arguments.output in (None, "-"):
        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        (write_json if arguments.format in ("trace", "json") else sys.stdout.write)(text)
    else:
        with open(arguments.output, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    return SUCCEEDED


def _format_of(output: str | None) -> str:
    """Return the format that the suffix of the output file selects."""
    return {".xml": "junit", ".json": "json"}.get(Path(output or "").suffix, "html")


def _misused_option(arguments: argparse.Namespace) -> str | None:
    """Return a message about options that do not fit together; None if they do."""
    if arguments.open and arguments.format != "html":
        return f"--open shows HTML; leave out --format {arguments.format}"
    if arguments.open and arguments.output == "-":
        return "--open requires a file; use -o FILE, or leave out -o"
    if arguments.format == "html" and arguments.output is None and not arguments.open and sys.stdout.isatty():
        return "refusing to print HTML to a terminal; use --open or -o FILE"
    return None


def _open(text: str, path: Path) -> int:
    """Write a page and open it in the browser, if there is one. Raises OSError."""
    import webbrowser  # noqa: PLC0415  # needed only here

    path.write_text(text, "utf-8", "replace")
    print(visible_lines(str(path.absolute())), flush=True)
    try:
        opened = webbrowser.open(path.absolute().as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        print("monopod report: no browser found; open this file in a browser", file=sys.stderr)
    return SUCCEEDED


def _text(run: RecordedRun, form: str) -> str:
    if form == "junit":
        from monopod.runner.reports.junit import junit  # noqa: PLC0415

        return junit([run])
    if form == "trace":
        from monopod.runner.reports.trace import trace  # noqa: PLC0415

        return trace([run])
    if form == "json":
        import json  # noqa: PLC0415

        from monopod.runner.records.recorded_run import finished_document  # noqa: PLC0415

        return json.dumps(finished_document(run), indent=2) + "\n"
    from monopod.runner.reports.page import page  # noqa: PLC0415

    return page(run)
