"""The reports that `monopod run` writes when its runs are over: ``--junit FILE`` and ``--trace FILE``.

Rules:

- The files are opened before anything runs: one that cannot be written is told then, and what an earlier run left in
  one is gone, so that nobody takes it for this run's.
- All runs of the command are in each file. They are made of the records; without any (``--no-record``), of records
  that are kept only until then.
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
    """Reports that are to be written. ``records`` is where the runs are to be recorded for them.

    ``failed``: they could not be written, which was told.
    """

    def __init__(self, files: Mapping[str, TextIO], records: Path | None) -> None:
        self.records = records
        self.failed = False
        self._files = files

    def write(self, directories: Sequence[Path]) -> None:
        """Write the reports of the runs recorded in these directories."""
        try:
            for form, file in self._files.items():
                file.write(_report(form, directories))
                file.flush()
        except (OSError, RecordError) as error:
            self.failed = True
            print(visible_lines(f"monopod run: the report could not be written: {error}"), file=sys.stderr)


def _report(form: str, directories: Sequence[Path]) -> str:
    # what makes reports is imported only where there are any
    from monopod.runner.records.recorded_run import read_run  # noqa: PLC0415
    from monopod.runner.reports.junit import junit  # noqa: PLC0415
    from monopod.runner.reports.trace import trace  # noqa: PLC0415

    runs = [read_run(open_record(directory)) for directory in directories]
    return junit(runs) if form == "junit" else trace(runs)


@contextlib.contextmanager
def run_reports(paths: Mapping[str, str | None], records: Path | None) -> Iterator[RunReports]:
    """Open the files of the reports, by ``junit`` and ``trace``. Raises OSError."""
    with contextlib.ExitStack() as stack:
        files = {
            form: stack.enter_context(open(path, "w", encoding="utf-8", errors="replace"))
            for form, path in paths.items()
            if path is not None
        }
        if files and records is None:
            records = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monopod-record-")))
        yield RunReports(files, records)
