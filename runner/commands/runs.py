"""`monopod runs`: the runs that are recorded on this machine."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monopod.runner.records.store import Record

SUMMARY = "list the runs that were recorded"

EXAMPLES = """\
  monopod runs
  monopod runs -o json | jq '.[] | select(.status == "Failed") | .name'
  monopod report "$(monopod runs -o name | head -n 1)" -o report.html

Runs are recorded below $XDG_STATE_HOME/monopod/runs (~/.local/state/monopod/runs), whatever their backend; the last 100
are kept, and 1 GiB of them at most. A run that goes on is Running; how one ended whose process was killed is Unknown. A
second run of the same name is NAME.2."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("human", "json", "name"),
        default="human",
        help="human: a table, the latest run first (the default); json: all that is known; name: only the names",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the recorded runs, the latest first."""
    from monopod.runner.records.store import records, records_root  # noqa: PLC0415  # not needed for --help

    found = records(records_root())
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        write_json(json.dumps([_described(record) for record in found], indent=2) + "\n")
    elif arguments.output == "name":
        sys.stdout.write("".join(f"{record.identity}\n" for record in found))
    elif found:
        _print_table(found)
    else:
        print("No run is recorded yet.", file=sys.stderr)
    return 0


def _print_table(found: Sequence[Record]) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.words import table_lines  # noqa: PLC0415

    rows = [("NAME", "STATUS", "STARTED", "TOOK", "BACKEND", "FILE"), *map(_row, found)]
    for line in table_lines(rows):
        print(printable(line, colours=False))


def _row(record: Record) -> tuple[str, ...]:
    import time  # noqa: PLC0415

    from monopod.schemas.formats.words import duration_in_words  # noqa: PLC0415

    header = record.header
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(header.started))
    took = "-" if record.ended is None else duration_in_words(record.ended.at - header.started)
    return (record.identity, record.status, started, took, header.backend, " ".join(header.files))


def _described(record: Record) -> dict[str, Any]:
    import time  # noqa: PLC0415

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
        "startTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(header.started)),
        "seconds": None if ended is None else round(ended.at - header.started, 3),
        "backend": header.backend,
        "files": list(header.files),
        "directory": str(record.directory),
    }
