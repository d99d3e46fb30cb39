"""What runs are started with, and how each of them ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

from monopod.runner.display.line_options import LineOptions
from monopod.runner.exit_codes import WRONG_INPUT

if TYPE_CHECKING:
    from pathlib import Path

    from monopod.compiler.diagnostics import Problem
    from monopod.runner.files.fetch import Fetch
    from monopod.runner.records.repetition import Repetition
    from monopod.runner.reports.failures import More

Output: TypeAlias = Literal["human", "json", "yaml", "name"]


@dataclass(frozen=True, slots=True)
class Options:
    """The output format, whether to keep the files of a run, and where to record it.

    ``records`` is the directory of all records, None to record nothing; ``files`` are the arguments of the command.
    ``report`` receives the records of all runs at the end, and why runs could not be recorded. ``lines`` selects and
    formats the lines of a run. ``more`` returns a command that shows the output of a Step, if there is neither a record
    nor a log. ``fetches`` are the files that are fetched after each run. ``repetitions`` say how each run can be
    repeated, if records are kept. ``falls_back``: another backend is used if the first Pod cannot be started.
    ``shown_warnings`` were shown before.
    """

    output: Output
    keep: bool
    records: Path | None = None
    files: tuple[str, ...] = ()
    report: Callable[[Sequence[Path], Sequence[str]], None] = lambda *_: None
    lines: LineOptions = field(default_factory=LineOptions)
    more: More | None = None
    fetches: tuple[Fetch, ...] = ()
    repetitions: Sequence[Repetition] = ()
    falls_back: bool = False
    shown_warnings: Sequence[Problem] = ()

    @property
    def stream(self) -> TextIO:
        """Where people read about the run."""
        return sys.stdout if self.output == "human" else sys.stderr


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended. ``document`` is the finished PipelineRun or TaskRun, ``record`` the directory of its record.

    ``record_problem`` is why the record is missing or incomplete; empty if there is no such problem. ``is_reported``:
    the coordinator reported the outcome; otherwise it was inferred from the Pod. ``leaves_out_rest``: the user asked
    not to wait for a slow reader of the output.
    """

    exit_code: int
    document: dict[str, Any] | None = None
    was_interrupted: bool = False
    record: Path | None = None
    record_problem: str = ""
    is_reported: bool = False
    leaves_out_rest: bool = False

    @property
    def is_last(self) -> bool:
        """Whether the remaining runs are not started."""
        return self.was_interrupted or self.exit_code == WRONG_INPUT
