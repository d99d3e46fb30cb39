"""`monopod runs`: the recorded runs of this project, and their statistics."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.known_run import refuse
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from monopod.runner.records.store import Record
    from monopod.runner.reports.run_statistics import Figures, PipelineStatistics, TaskStatistics

SUMMARY = "list recorded runs of this project, or their statistics"

EXAMPLES = """\
  monopod runs
  monopod runs --all                           (of every project)
  monopod runs --stats                         (success rates, durations and flaky Tasks)
  monopod runs -o json | jq '.[] | select(.status == "Failed") | .name'
  monopod report "$(monopod runs -o name | head -n 1)" -o report.html

The project is this git repository, or else this directory. TREND compares the duration of a run that succeeded with the
median of the last 20 runs of its Pipeline that succeeded before it, and in which as many Tasks ran. STATUS is Running
for an active run, Detached for a run of --detach that `monopod attach` has not followed to its end, and Unknown if the
process that followed the run was killed. A second run with the same name is listed as NAME.2.

With --stats, cancelled runs do not count, and p50 and p95 are durations of what succeeded. A Task is flaky if it failed
and then succeeded, in a retry or in a later run, with the same resolved spec, params and files in your folders.

monopod records runs of every backend in $XDG_STATE_HOME/monopod/runs (default: ~/.local/state/monopod/runs). It keeps
the last 100 runs, and at most 1 GiB."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--all", action="store_true", help="list the runs of every project")
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print success rates and durations of each Pipeline and Task, and name flaky Tasks",
    )
    add_output_option(
        parser,
        ("json", "name"),
        "human (the default): a table, latest run first; json: every field; name: only the names",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the recorded runs, latest first, or their statistics."""
    from monopod.runner.records.store import own_project, records, records_root  # noqa: PLC0415  # not for --help

    if arguments.stats and arguments.output == "name":
        return refuse("runs", "--stats does not support -o name; use -o json")
    everything = records(records_root())
    project = own_project()
    recorded = [record for record in everything if arguments.all or record.header.project == project]
    if arguments.stats:
        return _print_statistics(recorded, arguments.output)
    if arguments.output == "json":
        _print_json([_to_json(record, change) for record, change in _with_trends(recorded)])
    elif arguments.output == "name":
        sys.stdout.write("".join(f"{record.identity}\n" for record in recorded))
    elif recorded:
        _print_table([_head(with_project=arguments.all), *_rows(recorded, with_project=arguments.all)])
    else:
        others = f" The other projects have {len(everything)}; see `monopod runs --all`." if everything else ""
        print(f"No recorded runs of {project}.{others}", file=sys.stderr)
    return SUCCEEDED


def _print_json(value: object) -> None:
    import json  # noqa: PLC0415  # only for -o json

    from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

    write_json(json.dumps(value, indent=2) + "\n")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415  # not needed for --help
    from monopod.schemas.formats.words import table_lines  # noqa: PLC0415

    for line in table_lines(rows):
        print(printable(line, colours=False))


def _with_trends(recorded: Sequence[Record]) -> Iterator[tuple[Record, float | None]]:
    from monopod.runner.records.counted_runs import trends  # noqa: PLC0415  # not needed for --help

    changes: Mapping[str, float] = trends(recorded)
    return ((record, changes.get(record.identity)) for record in recorded)


def _head(*, with_project: bool) -> tuple[str, ...]:
    return ("NAME", "STATUS", "STARTED", "TOOK", "TREND", "BACKEND", *["PROJECT"] * with_project, "FILE")


def _rows(recorded: Sequence[Record], *, with_project: bool) -> Iterator[tuple[str, ...]]:
    import time  # noqa: PLC0415  # not needed for --help

    from monopod.schemas.formats.words import format_duration  # noqa: PLC0415

    for record, change in _with_trends(recorded):
        header = record.header
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(header.started))
        took = "-" if record.ended is None else format_duration(record.ended.at - header.started)
        trend = "-" if change is None else f"{change:+.0%}"
        project = [header.project or "-"] * with_project
        files = " ".join(header.files) or "-"
        yield (record.identity, record.status, started, took, trend, header.backend, *project, files)


def _to_json(record: Record, change: float | None) -> dict[str, Any]:
    from monopod.schemas.formats.timestamps import to_rfc3339  # noqa: PLC0415  # not needed for --help

    header, ended = record.header, record.ended
    return {
        "name": record.identity,
        "run": header.name,
        "namespace": header.namespace,
        "uid": header.uid,
        "kind": header.kind,
        "pipeline": header.pipeline,
        "status": record.status,
        "reason": None if ended is None else ended.reason,
        "message": None if ended is None else ended.message,
        "startTime": to_rfc3339(header.started),
        "seconds": None if ended is None else round(ended.at - header.started, 3),
        "trend": None if change is None else round(change, 3),
        "backend": header.backend,
        "context": header.context or None,
        "project": header.project or None,
        "files": list(header.files),
        "directory": str(record.directory),
    }


# Statistics


def _print_statistics(recorded: Sequence[Record], output: str) -> int:
    from monopod.runner.records.counted_runs import counted_runs  # noqa: PLC0415  # not needed for --help
    from monopod.runner.reports.run_statistics import statistics_of  # noqa: PLC0415

    found = statistics_of(counted_runs(recorded))
    if output == "json":
        _print_json([_statistics_to_json(each) for each in found])
        return SUCCEEDED
    if not found:
        print("No recorded runs of this project.", file=sys.stderr)
        return SUCCEEDED
    rows: list[tuple[str, ...]] = [("PIPELINE / TASK", "RUNS", "SUCCEEDED", "P50", "P95", "TREND")]
    for pipeline in found:
        rows.append((pipeline.pipeline, *_cells(pipeline.figures)))
        rows += [(f"  {task.path}", *_cells(task.figures)) for task in pipeline.tasks if task.figures.runs]
    _print_table(rows)
    _print_flakes(found)
    return SUCCEEDED


def _cells(figures: Figures) -> tuple[str, ...]:
    from monopod.runner.reports.run_statistics import sparkline  # noqa: PLC0415  # not needed for --help
    from monopod.schemas.formats.words import format_duration  # noqa: PLC0415

    durations = [figures.percentile(percent) for percent in (50, 95)]
    rate = "-" if figures.rate is None else f"{figures.rate:.0%}"
    times = ["-" if seconds is None else format_duration(seconds) for seconds in durations]
    return (str(figures.runs), rate, *times, sparkline(figures.durations[-12:]) if len(figures.durations) > 1 else "")


def _print_flakes(found: Sequence[PipelineStatistics]) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415  # not needed for --help

    for pipeline in found:
        for task in pipeline.tasks:
            for flake in task.flakes:
                times = "once" if len(flake.runs) == 1 else f"{len(flake.runs)} times"
                text = f"Flaky: {flake.label} of {pipeline.pipeline} failed and then succeeded unchanged {times}"
                print(printable(f"{text} (latest: {flake.runs[-1]})", colours=False))


def _statistics_to_json(found: PipelineStatistics) -> dict[str, Any]:
    return {
        "pipeline": found.pipeline,
        **_figures_to_json(found.figures),
        "tasks": [_task_to_json(task) for task in found.tasks],
    }


def _task_to_json(task: TaskStatistics) -> dict[str, Any]:
    flaky = [{"task": flake.label, "runs": list(flake.runs)} for flake in task.flakes]
    return {"task": task.path, **_figures_to_json(task.figures), "flaky": flaky}


def _figures_to_json(figures: Figures) -> dict[str, Any]:
    percentiles = {f"p{percent}Seconds": figures.percentile(percent) for percent in (50, 95)}
    return {
        "runs": figures.runs,
        "succeeded": figures.succeeded,
        "successRate": None if figures.rate is None else round(figures.rate, 3),
        **{name: None if seconds is None else round(seconds, 3) for name, seconds in percentiles.items()},
    }
