"""`monopod explain`: where a recorded run spent its time, and what would make it faster."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.recorded_run import add_recorded_run_argument, find_recorded_run
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monopod.runner.records.recorded_run import RecordedRun
    from monopod.runner.reports.time_spent import TimeSpent

SUMMARY = "show where a run spent its time, and what would make it faster"

EXAMPLES = """\
  monopod explain                        (the latest run)
  monopod explain ci-x7k2p
  monopod explain -o json | jq .criticalPath

The critical path is the chain of Tasks that determined how long the run took: only a shorter critical path makes the
run faster. A Task waits after all Tasks before it are done: for its turn among the combinations of a matrix, or for its
container. The estimates assume that everything else takes as long as it did."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_recorded_run_argument(parser)
    add_output_option(parser, ("json",), "human (the default), or json")


def execute(arguments: argparse.Namespace) -> int:
    """Print where the run spent its time."""
    from monopod.runner.reports.time_spent import time_spent  # noqa: PLC0415  # not needed for --help

    run = find_recorded_run("explain", arguments.run)
    if run is None:
        return WRONG_INPUT
    spent = time_spent(run)
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415
        from monopod.runner.reports.time_spent import to_json  # noqa: PLC0415

        write_json(json.dumps({"run": run.record.identity, **to_json(spent)}, indent=2) + "\n")
    else:
        from monopod.schemas.formats.visible_text import visible  # noqa: PLC0415

        sys.stdout.write("".join(f"{visible(line)}\n" for line in _lines(run, spent)))
    return SUCCEEDED


def _lines(run: RecordedRun, spent: TimeSpent) -> Iterator[str]:
    from monopod.runner.reports.descriptions import describe_change, describe_parallelism, describe_wait  # noqa: PLC0415
    from monopod.runner.reports.given_back import describe_total  # noqa: PLC0415
    from monopod.schemas.formats.words import format_duration, table_lines  # noqa: PLC0415

    took = f" in {format_duration(spent.total)}" if run.is_end_known else ""
    yield f"{run.record.identity} {run.record.status}{took}"
    if spent.critical:
        yield from ("", "Critical path: the Tasks that determined how long the run took", "")
        rows: list[tuple[str, ...]] = [("TASK", "STARTED", "WAITED", "TOOK", "SHARE")]
        for span in spent.critical:
            share = f"{span.own / spent.total:.0%}" if spent.total else "-"
            times = map(format_duration, (span.held_up, span.seconds))
            rows.append((span.label, f"+{format_duration(span.started)}", *times, share))
        yield from (f"  {line}" for line in table_lines(rows))
    if spent.waits:
        yield from ("", "Longest waits of Tasks that were ready to run", "")
        yield from (f"  {format_duration(wait.seconds):>6}  {describe_wait(wait)}" for wait in spent.waits)
    yield from ("", "Parallelism", "")
    yield from (f"  {line}" for line in describe_parallelism(spent))
    if spent.changes:
        yield from ("", "What would make the run faster", "")
        yield from (f"  {describe_change(change, spent)}" for change in spent.changes)
    if spent.given_back is not None:
        yield from ("", "Capacity", "", f"  {describe_total(spent.given_back)}.")
