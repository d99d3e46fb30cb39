"""The reports that `monopod run` writes after its runs: ``--junit FILE`` and ``--trace FILE``.

Rules:

- The files are opened and truncated before anything runs. A file that cannot be written is reported immediately, and a
  report of an earlier run cannot be mistaken for this one.
- If a run could not be recorded, the reports stay empty, and that is an error: a report without it could look like
  success.
- Each file contains all runs of the command. Reports are made from records; with ``--no-record``, from temporary ones.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from monopod.runner.records.store import RecordError, open_record
from monopod.schemas.formats.visible_text import visible_lines


class RunReports:
    """Reports to write. ``records`` is where runs must be recorded for them.

    ``failed``: writing failed, and an error was printed.
    """

    def __init__(self, files: Mapping[str, TextIO], records: Path | None) -> None:
        self.records = records
        self.failed = False
        self._files = files

    def write(self, directories: Sequence[Path], problems: Sequence[str]) -> None:
        """Write the reports of the runs in these directories; `problems` are why runs could not be recorded."""
        if self._files and problems:
            self._fail(f"the run could not be recorded: {problems[0]}")
            return
        try:
            for form, file in self._files.items():
                file.write(_report(form, directories))
                file.flush()
        except (OSError, RecordError) as error:
            self._fail(f"{error}")
            for file in self._files.values():
                with contextlib.suppress(OSError):  # it has the same reason: closing writes what is buffered
                    file.close()

    def _fail(self, why: str) -> None:
        self.failed = True
        print(visible_lines(f"monopod run: cannot write the report: {why}"), file=sys.stderr)


def _report(form: str, directories: Sequence[Path]) -> str:
    # imported only if there are reports to write
    from monopod.runner.records.recorded_run import read_run  # noqa: PLC0415
    from monopod.runner.reports.junit import junit  # noqa: PLC0415
    from monopod.runner.reports.trace import trace  # noqa: PLC0415

    runs = [read_run(open_record(directory)) for directory in directories]
    return junit(runs) if form == "junit" else trace(runs)


@contextlib.contextmanager
def run_reports(paths: Mapping[str, str | None], records: Path | None) -> Iterator[RunReports]:
    """Open the files of the reports; `paths` has the keys ``junit`` and ``trace``. Raises OSError."""
    with contextlib.ExitStack() as stack:
        files = {
            form: stack.enter_context(open(path, "w", encoding="utf-8", errors="replace"))
            for form, path in paths.items()
            if path is not None
        }
        if files and records is None:
            records = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monopod-record-")))
        yield RunReports(files, records)
