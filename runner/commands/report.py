"""`monopod report`: a recorded run as an HTML page, JUnit XML, a trace, or the finished PipelineRun."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.runner.commands.options.recorded_run import add_recorded_run_argument, find_recorded_run
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import RecordedRun

SUMMARY = "export a recorded run as an HTML page, JUnit XML, a trace or JSON"

EXAMPLES = """\
  monopod report -o report.html                       (the latest run, as one self-contained file)
  monopod report ci-x7k2p -o report.html
  monopod report --format junit -o junit.xml          (for CI systems that display test results)
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
        "--format", choices=("html", "junit", "trace", "json"), default="html", help="the format (default: html)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Write the report. Raises OSError."""
    if arguments.format == "html" and arguments.output is None and sys.stdout.isatty():
        print("monopod report: refusing to print HTML to a terminal; use -o FILE", file=sys.stderr)
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
    if arguments.output in (None, "-"):
        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        (write_json if arguments.format in ("trace", "json") else sys.stdout.write)(text)
    else:
        with open(arguments.output, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
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
