"""The output of a run on its page: grouped by Task, each Step and Sidecar in an element that opens.

Rules:

- Tasks are in the order of the Pipeline, the output of a Task in the order of its first lines.
- A failed Step is open, at the end of its output. That needs no script: its lines are laid out from the bottom.

``logs`` limits the size, ``page.js`` searches and filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.anchors import Anchors
from monopod.runner.reports.descriptions import describe_step_end
from monopod.runner.reports.html import Html, joined, tag
from monopod.runner.reports.logs import Log, lines_markup
from monopod.runner.reports.page_pieces import checkbox, search_form, symbol
from monopod.schemas.run_progress import StepRun

MOST_OPEN = 20
"""How many failed Steps are open when the page is opened."""


class OutputSection:
    """The section of a run's output."""

    def __init__(self, run: RecordedRun, logs: Sequence[Log], anchors: Anchors) -> None:
        self._run = run
        self._logs = logs
        self._anchors = anchors
        failed = [log.source for log in logs if self._failed_step(log) is not None and self._is_final(log)]
        self._open = frozenset(failed[:MOST_OPEN])

    def anchor(self, log: Log) -> str:
        """Return the id of the element of a Step's output."""
        attempt = f"{log.source.attempt + 1}" if log.source.attempt else ""
        return self._anchors.of("log", log.source.task, log.source.step, attempt)

    def markup(self) -> Iterator[Html]:
        """Yield the search form, the switches and the output."""
        if not self._logs:
            yield tag("p", "No Step wrote any output.")
            return
        yield search_form()
        yield tag(
            "p",
            checkbox("numbers", "line numbers", checked=True),
            checkbox("times", "times"),
            checkbox("wrap", "wrap long lines"),
            class_="switches",
        )
        groups: dict[str, list[Log]] = {task.label: [] for task in self._run.tasks}
        for log in self._logs:
            groups.setdefault(log.source.task, []).append(log)
        yield tag("div", (self._group(label, logs) for label, logs in groups.items() if logs), class_="logs")

    def _group(self, label: str, logs: Sequence[Log]) -> Html:
        task = self._run.by_label.get(label)
        heading: list[str] = [label]
        if task is not None:
            link = tag("a", label, href=f"#{self._anchors.of('task', label)}")
            heading = [symbol(task.state.status), link]
        return tag("div", tag("h3", heading), (self._log(log, task) for log in logs), class_="group")

    def _log(self, log: Log, task: TaskRun | None) -> Html:
        source = log.source
        failed = self._failed_step(log)
        name = source.step or source.task
        if task is not None and len(task.attempts) > 1:
            name += f", attempt {source.attempt + 1}"
        summary = tag(
            "summary",
            symbol("Failed") if failed is not None else None,
            tag("span", name, class_="label"),
            tag("span", "Sidecar", class_="badge") if _is_sidecar(log, task) else None,
            tag("span", f" {describe_step_end(failed)}", class_="ending") if failed is not None else None,
            tag("span", f" {count_lines(log.count)}", class_="count"),
        )
        lines = tag("div", self._lines(log))
        return tag(
            "details",
            summary,
            tag("p", "Earlier output exceeded the size of a record.", class_="gap") if log.is_cut else None,
            tag(
                "div", lines, class_="lines", tabindex="0", role="group", aria_label=f"Output of {source.task} : {name}"
            ),
            id=self.anchor(log),
            class_="log failed" if failed is not None else "log",
            data_name=f"{source.task} : {name}",
            open=source in self._open,
        )

    def _is_final(self, log: Log) -> bool:
        """Return whether the Task failed with this attempt, and was not retried."""
        task = self._run.by_label[log.source.task]
        return task.failed and log.source.attempt == task.attempts[-1].number

    def _failed_step(self, log: Log) -> StepRun | None:
        """Return the Step that wrote this output, if it failed."""
        task = self._run.by_label.get(log.source.task)
        attempts = () if task is None else task.attempts
        attempt = next((each for each in attempts if each.number == log.source.attempt), None)
        step = None if attempt is None else attempt.step(log.source.step)
        return step if step is not None and step.failed else None

    def _lines(self, log: Log) -> Html:
        left_out = None
        if log.left_out:
            text = f"{log.left_out:,} lines omitted; the full record is in "
            left_out = tag("p", text, tag("code", str(self._run.record.directory)), class_="gap")
        return joined(
            lines_markup(log.beginning, 1, self._run.started),
            left_out,
            lines_markup(log.end, log.count - len(log.end) + 1, self._run.started),
        )


def _is_sidecar(log: Log, task: TaskRun | None) -> bool:
    sidecars = () if task is None or task.planned is None else task.planned.sidecars
    return log.source.step in {sidecar.step.name for sidecar in sidecars}


def count_lines(count: int) -> str:
    """Return a number of lines as words."""
    return "1 line" if count == 1 else f"{count:,} lines"
