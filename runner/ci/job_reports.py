"""Leaves the result of a run in the CI system that runs this process, beside the log.

- Annotations (``annotations``), one for each error that the end of a failed Step's output places in a file of the
  repository; without such a place, one for the Step, in the YAML file that defines it.
- The summary (``job_summary``): GitHub Actions' ``GITHUB_STEP_SUMMARY``, Azure Pipelines' task.uploadsummary, and an
  annotation of Buildkite's agent.

Nothing here fails a run: what cannot be written is reported on standard error.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from monopod.runner.ci.annotations import Annotation, annotation_lines
from monopod.runner.ci.error_lines import error_lines
from monopod.runner.display.ci_log import escaped, unguarded
from monopod.runner.display.ci_systems import VARIABLES, is_set
from monopod.runner.display.summary import Summary
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.compiler.diagnostics import Position

Locate: TypeAlias = "Callable[[str, str], Position | None]"
"""Returns where a Step is in the files, for the label of its Task and its name."""

_AGENT_SECONDS = 60


def report_to_ci(summary: Summary, stream: TextIO, environment: Mapping[str, str], locate: Locate) -> None:
    """Leave annotations and the summary in the CI system of `environment`, if it is one. `stream` is its log."""
    system = next((name for variable, name in VARIABLES.items() if is_set(environment, variable)), "")
    if not system:
        return
    root = _root_of_repository(system, environment)
    if not _is_file(stream):
        for line in annotation_lines(system, list(annotations_of(summary, root, locate))):
            _write_command(stream, line)
    try:
        _leave_summary(system, summary, stream, environment)
    except (OSError, subprocess.SubprocessError) as error:
        print(visible_lines(f"warning: cannot write the summary of the job: {error}"), file=sys.stderr)


def _root_of_repository(system: str, environment: Mapping[str, str]) -> Path:
    """Return the directory to which paths of annotations are relative."""
    roots = {
        "GitHub Actions": environment.get("GITHUB_WORKSPACE"),
        "Azure Pipelines": environment.get("BUILD_SOURCESDIRECTORY"),
    }
    return Path(roots.get(system) or os.getcwd())


def _write_command(stream: TextIO, command: str) -> None:
    """Write a command for the CI system on a line of its own. What is in it cannot form another one."""
    start, end = command[:2], command[2:]
    unguarded(stream).write(f"{start}{escaped(stream, end)}\n")
    stream.flush()


def _is_file(stream: TextIO) -> bool:
    """Return whether the output goes to a file instead of the log."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # the stream has no descriptor
        return False


# Annotations


def annotations_of(summary: Summary, root: Path, locate: Locate) -> Iterator[Annotation]:
    """Yield the annotations of a run's failures."""
    for failure in summary.failures:
        title = f"{failure.task} : {failure.step}" if failure.step else failure.task
        errors = list(error_lines(failure.last_lines, lambda path: _in_repository(path, root)))
        yield from (Annotation(title, error.text, error.file, error.line, error.column) for error in errors)
        if not errors:
            position = locate(failure.task, failure.step)
            file = None if position is None else _in_repository(position.file, root)
            text = failure.heading if not failure.last_lines else f"{failure.heading}: {failure.last_lines[-1]}"
            place = (file, position.line, position.column) if file and position is not None else ("", 0, 0)
            yield Annotation(title, text, *place)


def _in_repository(path: str, root: Path) -> str | None:
    """Return the path of a file of the working directory relative to `root`; None if there is no such file."""
    try:
        real, top = Path(path).resolve(), root.resolve()
        if not os.path.isabs(path) and real.is_file() and real.is_relative_to(top):
            return str(real.relative_to(top))
    except (OSError, ValueError):  # ValueError: a NUL
        pass
    return None


# The summary


def _leave_summary(system: str, summary: Summary, stream: TextIO, environment: Mapping[str, str]) -> None:
    """Leave the summary where the CI system shows it. Raises OSError and SubprocessError."""
    from monopod.runner.ci.job_summary import MOST_BYTES, job_summary  # noqa: PLC0415  # rich is needed only in CI

    match system:
        case "GitHub Actions" if environment.get("GITHUB_STEP_SUMMARY"):
            with open(environment["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8", errors="replace") as file:
                file.write(job_summary(summary, MOST_BYTES - os.fstat(file.fileno()).st_size))
        case "Azure Pipelines" if environment.get("AGENT_TEMPDIRECTORY") and not _is_file(stream):
            path = Path(environment["AGENT_TEMPDIRECTORY"], f"monopod-{summary.name or 'run'}.md")
            path.write_text(job_summary(summary), "utf-8", "replace")
            _write_command(stream, f"##vso[task.uploadsummary]{path}")
        case "Buildkite":
            style = "success" if summary.outcome.status == "Succeeded" else "error"
            command = ["buildkite-agent", "annotate", "--style", style, "--context", f"monopod-{summary.name or 'run'}"]
            text = job_summary(summary).encode("utf-8", "replace")
            with contextlib.suppress(FileNotFoundError):  # a container that a job starts may not have the agent
                subprocess.run(command, input=text, check=True, capture_output=True, timeout=_AGENT_SECONDS)
        case _:
            pass
