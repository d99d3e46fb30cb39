"""`monopod runs`: the runs recorded on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monopod.runner.records.store import Record

SUMMARY = "list recorded runs"

EXAMPLES = """\
  monopod runs
  monopod runs -o json | jq '.[] | select(.status == "Failed") | .name'
  monopod report "$(monopod runs -o name | head -n 1)" -o report.html

monopod records runs of every backend in $XDG_STATE_HOME/monopod/runs (default: ~/.local/state/monopod/runs). It keeps
the last 100 runs, and at most 1 GiB. STATUS is Running for an active run, and Unknown if the process that followed the
run was killed. A second run with the same name is listed as NAME.2."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_output_option(
        parser,
        ("json", "name"),
        "human (the default): a table, latest run first; json: every field; name: only the names",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the recorded runs, latest first."""
    from monopod.runner.records.store import records, records_root  # noqa: PLC0415  # not needed for --help

    recorded = records(records_root())
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        write_json(json.dumps([_to_json(record) for record in recorded], indent=2) + "\n")
    elif arguments.output == "name":
        sys.stdout.write("".join(f"{record.identity}\n" for record in recorded))
    elif recorded:
        _print_table(recorded)
    else:
        print("No recorded runs.", file=sys.stderr)
    return SUCCEEDED


def _print_table(recorded: Sequence[Record]) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.words import table_lines  # noqa: PLC0415

    rows = [("NAME", "STATUS", "STARTED", "TOOK", "BACKEND", "FILE"), *map(_row, recorded)]
    for line in table_lines(rows):
        print(printable(line, colours=False))


def _row(record: Record) -> tuple[str, ...]:
    import time  # noqa: PLC0415

    from monopod.schemas.formats.words import format_duration  # noqa: PLC0415

    header = record.header
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(header.started))
    took = "-" if record.ended is None else format_duration(record.ended.at - header.started)
    return (record.identity, record.status, started, took, header.backend, " ".join(header.files))


def _to_json(record: Record) -> dict[str, Any]:
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
        "backend": header.backend,
        "files": list(header.files),
        "directory": str(record.directory),
    }
