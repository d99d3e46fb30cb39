"""The summary of a run as Markdown, for the page of a job: failures with their last lines, and a table of the Tasks.

Rules:

- Text from a run is never markup: its punctuation is written as entities.
- The summary has at most a given number of bytes. What does not fit is counted.

Pure: a Summary in, Markdown out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from monopod.runner.display.printable import printable
from monopod.runner.display.status_styles import MARKS
from monopod.runner.display.summary import Row, Summary
from monopod.runner.reports.failures import Failure

MOST_BYTES = 1024 * 1024
"""GitHub's limit for the summary of a step of a job; Buildkite's for an annotation."""
_RESERVED = 200
"""Bytes for the line that counts what does not fit."""
_LONGEST_TEXT = 2000


def job_summary(summary: Summary, most_bytes: int = MOST_BYTES) -> str:
    """Return the summary in at most `most_bytes` bytes; empty if not even its heading fits."""
    text, left = "", most_bytes - _RESERVED
    for block, what in _blocks(summary):
        size = len(block.encode("utf-8", "replace"))
        if size > left:
            return f"{text}\n\n{what} and what follows are left out: the summary would be too large.\n" if text else ""
        text += block
        left -= size
    return text


def _blocks(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the parts of the summary, each with what it is."""
    message = f"\n{_escaped(summary.outcome.message)}\n" if summary.outcome.message else ""
    yield f"## {MARKS[summary.outcome.status]} {_escaped(summary.headline)}\n{message}", "The outcome"
    for failure in (*summary.failures, *summary.sidecars):
        yield _failure(failure), _escaped(failure.heading)
    yield "\n| | Task | Status | Started | Took | Why |\n| --- | --- | --- | ---: | ---: | --- |\n", "The Tasks"
    for row in summary.rows:
        yield _row(row), f"Task {_escaped(row.task)}"
    if summary.results:
        yield "\n| Result | Value |\n| --- | --- |\n", "The Results"
        for name, value in summary.results:
            yield f"| {_escaped(name)} | {_escaped(value)} |\n", f"Result {_escaped(name)}"


def _failure(failure: Failure) -> str:
    lines = [f"\n### {_escaped(failure.heading)}\n"]
    if failure.command and not failure.is_brief:
        lines.append(f"\nCommand: <code>{_escaped(failure.command)}</code>\n")
    if failure.step and not failure.is_brief:
        last = "\n".join(printable(line, colours=False) for line in failure.last_lines) or "(no output)"
        lines.append(f"\n<pre>\n{html.escape(last)}\n</pre>\n")
    lines += [f"\n{_escaped(title)}: {_escaped(text)}\n" for title, text in failure.consequences]
    return "".join(lines)


def _row(row: Row) -> str:
    cells = (MARKS[row.status], row.task, row.status, row.started, row.took, row.why)
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def _escaped(text: str) -> str:
    """Return a text that Markdown and HTML show as it is, in one line."""
    shown = printable(" ".join(text[:_LONGEST_TEXT].split()), colours=False)
    return re.sub(r"[^\w \u0080-\U0010ffff]|_", lambda match: f"&#{ord(match[0])};", shown)
