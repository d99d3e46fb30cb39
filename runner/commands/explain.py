"""`monopod explain`: where the time of a recorded run went, and what would make it shorter."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.runner.commands.options.recorded_run import add_recorded_run_argument, find_recorded_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monopod.runner.records.recorded_run import RecordedRun
    from monopod.runner.reports.time_spent import TimeSpent

SUMMARY = "tell where the time of a run went, and what would make it shorter"

EXAMPLES = """\
  monopod explain                        (the latest run)
  monopod explain ci-x7k2p
  monopod explain -o json | jq .criticalPath

The critical path is the chain of Tasks that ends last, each of which held up the next: only what makes it shorter makes
the run shorter. A Task waits once all Tasks before it are over: for its turn among the combinations of a matrix, or for
its container. What a change would bring is computed as if all else took as long as it did."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_recorded_run_argument(parser)
    parser.add_argument(
        "-o", "--output", choices=("human", "json"), default="human", help="human (the default), or json"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print where the time went."""
    from monopod.runner.reports.time_spent import time_spent  # noqa: PLC0415  # not needed for --help

    run = find_recorded_run("explain", arguments.run)
    if run is None:
        return 2
    spent = time_spent(run)
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415
        from monopod.runner.reports.time_spent import to_json  # noqa: PLC0415

        write_json(json.dumps({"run": run.record.identity, **to_json(spent)}, indent=2) + "\n")
    else:
        from monopod.schemas.formats.visible_text import visible  # noqa: PLC0415

        sys.stdout.write("".join(f"{visible(line)}\n" for line in _lines(run, spent)))
    return 0


def _lines(run: RecordedRun, spent: TimeSpent) -> Iterator[str]:
    from monopod.runner.reports.descriptions import describe_change, describe_parallelism  # noqa: PLC0415
    from monopod.schemas.formats.words import duration_in_words as words  # noqa: PLC0415
    from monopod.schemas.formats.words import table_lines  # noqa: PLC0415

    yield f"{run.record.identity} {run.record.status} in {words(spent.total)}"
    if spent.critical:
        yield from ("", "Critical path: what decided how long the run took", "")
        rows = [("TASK", "STARTED", "WAITED", "TOOK", "SHARE")]
        for span in spent.critical:
            share = f"{span.own / spent.total:.0%}" if spent.total else "-"
            rows.append((span.label, f"+{words(span.started)}", words(span.held_up), words(span.seconds), share))
        yield from (f"  {line}" for line in table_lines(rows))
    if spent.waits:
        yield from ("", "Longest waits of Tasks that could have run", "")
        yield from (f"  {words(wait.seconds):>6}  {wait.label}: for {wait.why}" for wait in spent.waits)
    yield from ("", "At the same time", "")
    yield from (f"  {line}" for line in describe_parallelism(spent))
    if spent.changes:
        yield from ("", "What would make the run shorter", "")
        yield from (f"  {describe_change(change, spent)}" for change in spent.changes)
