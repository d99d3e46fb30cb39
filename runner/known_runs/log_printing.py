"""Prints the log of a run: of its record, or of its Pod in a cluster.

``log_lines`` decides what is printed.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from monopod.runner.known_runs.log_lines import LogLines, LogOptions, last_lines
from monopod.runner.records.growing_record import GrowingRecord
from monopod.runner.records.recorded_run import incomplete_because, read_plan
from monopod.runner.records.store import Record, open_record
from monopod.schemas.formats.visible_text import visible_lines
from monopod.schemas.run_events import RunWarning

if TYPE_CHECKING:
    from monopod.runner.kubernetes.existing import ExistingPod
    from monopod.runner.records.replay import Replayed


def print_record_log(record: Record, options: LogOptions, *, tail: int | None, follow: bool) -> str | None:
    """Print the log of a recorded run; return a message if what was selected does not exist. Raises RecordError."""
    lines = LogLines(read_plan(record), options)
    with GrowingRecord(record) as growing:
        texts = _texts(growing.read(), lines)
        _write(texts if tail is None else last_lines(texts, tail))
        while follow and not growing.is_over:
            growing.wait()
            _write(_texts(growing.read(), lines))
    now = open_record(record.directory)
    problem = "" if now.status == "Running" else incomplete_because(now)
    if problem:
        print(visible_lines(f"monopod logs: the record is incomplete: {problem}"), file=sys.stderr)
    return _end(lines)


def print_pod_log(existing: ExistingPod, options: LogOptions, *, tail: int | None, follow: bool) -> str | None:
    """Print the log of a run in a cluster; return a message if what was selected does not exist.

    Raises BackendUnavailableError.
    """
    from monopod.runner.kubernetes.existing import NoSuchPodError  # noqa: PLC0415  # only for runs in a cluster
    from monopod.runner.kubernetes.reading import print_text_log, replayed  # noqa: PLC0415

    selection = options.selection
    if not existing.reports_events:
        if options.attempt or options.since is not None or options.timestamps or tail is not None:
            return f"{existing.name} logs text only, so only -f and TASK[/STEP] apply to its log; see kubectl logs"
        try:
            print_text_log(existing, selection, follow=follow)
        except NoSuchPodError as error:
            return str(error)
        return None

    def reads(container: str) -> bool:
        return selection is None or container in selection.steps

    lines = LogLines(existing.plan, options)
    if tail is None:
        _write_each(_texts(replayed(existing, follow=follow, reads=reads), lines))
        return _end(lines)
    now = [*_texts(replayed(existing, follow=False, reads=reads), lines)]
    _write(last_lines(now, tail))
    if follow:  # a second time, without what is there already
        following = LogLines(existing.plan, options)
        texts = _texts(replayed(existing, follow=True, reads=reads), following)
        _write_each(_after(texts, sum(text.count("\n") + 1 for text in now)))
    return _end(lines)


def _texts(replayed: Iterable[Replayed], lines: LogLines) -> Iterator[str]:
    """Yield the texts to print. With a selection, warnings go to standard error."""
    for shown in replayed:
        text = lines.text(shown)
        if text is not None:
            yield text
        elif isinstance(shown.shown, RunWarning):
            print(visible_lines(f"warning: {shown.shown.message}"), file=sys.stderr, flush=True)


def _after(texts: Iterable[str], count: int) -> Iterator[str]:
    """Yield texts without their first `count` lines."""
    lines = itertools.chain.from_iterable(text.split("\n") for text in texts)
    return itertools.islice(lines, count, None)


def _write(texts: Iterable[str]) -> None:
    for text in texts:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _write_each(texts: Iterable[str]) -> None:
    for text in texts:
        print(text, flush=True)


def _end(lines: LogLines) -> str | None:
    missing, remark = lines.missing(), lines.remark()
    if missing is None and remark is not None:
        print(visible_lines(f"monopod logs: {remark}"), file=sys.stderr)
    return missing
