"""The page of a run: one self-contained HTML file that shows what happened and why.

Rules:

- The page makes no requests, and a Content-Security-Policy allows only its own script. Everything except the search,
  the filter and zooming works without the script.
- Text from a run is never markup (``html``). Colour is never the only way to convey information.
- Failures come first.

The parts are in ``dag_picture``, ``timeline``, ``output_section`` and ``time_spent``; the style is in ``page.css``, the
scripts are in ``page.js`` and ``dag.js``.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import pairwise
from urllib.parse import quote

import monopod
from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.anchors import Anchors
from monopod.runner.reports.dag_picture import MOST_NODES, Node, dag_picture
from monopod.runner.reports.descriptions import (
    describe_change,
    describe_parallelism,
    describe_step_end,
    describe_wait,
    explain_task,
    step_status,
)
from monopod.runner.reports.failures import describe_command
from monopod.runner.reports.given_back import describe_total
from monopod.runner.reports.html import Child, Html, joined, tag
from monopod.runner.reports.logs import Log, lines_markup, logs_of
from monopod.runner.reports.output_section import OutputSection, count_lines
from monopod.runner.reports.page_pieces import (
    SYMBOLS,
    fine_duration,
    item_list,
    kibibytes,
    listed,
    moment,
    scrolled,
    section,
    status_mark,
    status_words,
    symbol,
    table,
    values_table,
    zoom_tools,
)
from monopod.runner.reports.time_spent import TimeSpent, time_spent
from monopod.runner.reports.timeline import Bars
from monopod.schemas.formats.words import format_duration
from monopod.schemas.plan import LEFT_OUT, REUSED
from monopod.schemas.run_progress import Attempt, SidecarRun, StepRun

LAST_LINES = 20
"""Lines of output of a failed Step that are shown at the top."""
_FAVICON_COLOURS = {"Succeeded": "#1a7f37", "Failed": "#cf222e", "TimedOut": "#cf222e"}


def page(run: RecordedRun) -> Html:
    """Return the page."""
    return _Page(run).document()


class _Page:
    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._spent: TimeSpent = time_spent(run)
        self._logs = logs_of(run)
        self._anchors = Anchors()
        self._output = OutputSection(run, self._logs, self._anchors)
        self._bars = Bars(self._spent.total)
        self._log_of = {(log.source.task, log.source.step, log.source.attempt): log for log in self._logs}
        self._spans = {span.label: span for span in self._spent.spans}
        self._critical = {span.label for span in self._spent.critical}

    def document(self) -> Html:
        """Return the whole document."""
        run = self._run
        style, script = _resource("page.css"), _resource("page.js") + _resource("dag.js")
        title = f"{SYMBOLS[run.record.status]} {run.record.identity}: {status_words(run.record.status)}"
        body = (
            tag("a", "Skip to the content", href="#content", class_="skip"),
            self._header(),
            tag("main", self._sections(), id="content", tabindex="-1"),
            self._footer(),
        )
        return joined(
            Html("<!DOCTYPE html>\n"),
            tag(
                "html",
                tag("head", _head(title, run.record.status, style, script)),
                tag("body", body, script_tag(script)),
                lang="en",
            ),
            "\n",
        )

    def _sections(self) -> Iterator[Html]:
        if failed := self._failures():
            yield section("failures", "What failed", failed)
        yield section("dag", "Tasks", self._dag())
        yield section("timeline", "Timeline", self._timeline())
        yield section("time", "Where the time went", self._time_spent())
        if values := self._values():
            yield section("values", "Params and Results", values)
        yield section("logs", "Output", self._output.markup())

    # The header

    def _header(self) -> Html:
        run = self._run
        status = run.record.status
        facts = [
            ("Pipeline", run.header.pipeline or "(unnamed)"),
            ("Started", moment(run.started)),
            ("Took", format_duration(self._spent.total) if self._run.is_end_known else "not known"),
            ("Tasks", self._counts()),
            ("Backend", run.header.backend),
            ("Namespace", run.header.namespace),
            ("Files", ", ".join(run.header.files) or "-"),
        ]
        links = [("dag", "Tasks"), ("timeline", "Timeline"), ("time", "Time"), ("logs", "Output")]
        if self._failures():
            links.insert(0, ("failures", "What failed"))
        return tag(
            "header",
            tag(
                "div",
                tag("p", status_mark(status), class_="verdict"),
                tag("h1", run.record.identity),
                tag("p", run.message, class_="message") if run.message else None,
                class_="title",
            ),
            tag("dl", (tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
            tag(
                "nav",
                tag("ul", (tag("li", tag("a", text, href=f"#{target}")) for target, text in links)),
                aria_label="Sections",
            ),
            class_=f"top {status}",
        )

    def _counts(self) -> str:
        counts = Counter(task.state.status for task in self._run.tasks)
        return ", ".join(f"{count} {status_words(status).lower()}" for status, count in counts.items())

    def _footer(self) -> Html:
        identity = self._run.record.identity
        return tag(
            "footer",
            tag(
                "p",
                f"Generated by monopod {monopod.__version__} (run with {self._run.header.version}). On a terminal: ",
                tag("code", f"monopod explain {identity}"),
            ),
        )

    # Failures

    def _failed_tasks(self) -> list[TaskRun]:
        return [task for task in self._run.tasks if task.failed]

    def _failures(self) -> list[Html]:
        failures = [tag("p", f"Warning: {warning.message}", class_="warning") for warning in self._run.warnings]
        for task in self._failed_tasks():
            steps = [step for step in task.steps if step.failed]
            failures += [self._failed_step(task, step) for step in steps] or [self._failed_task(task)]
        for task in self._run.tasks:
            sidecars = [sidecar for sidecar in task.state.ended_sidecars if _is_failure(task, sidecar)]
            failures += [self._ended_sidecar(task, sidecar) for sidecar in sidecars]
        return failures

    def _ended_sidecar(self, task: TaskRun, sidecar: SidecarRun) -> Html:
        log = self._log_of.get((task.label, sidecar.name, task.attempts[-1].number)) if task.attempts else None
        return tag(
            "div",
            tag("h3", self._task_link(task.label), " : ", sidecar.name),
            tag("p", sidecar.ending, class_="ending"),
            tag("p", "No output.", class_="muted") if log is None else self._last_lines(log),
            class_="failure",
        )

    def _skipped_after(self, failed: TaskRun) -> Html | None:
        """Return the Tasks that were skipped because they come after a failed Task."""
        after = {failed.label}
        skipped = []
        for task in self._run.tasks:
            is_skipped = task.state.status == "Skipped" and task.state.reason not in (LEFT_OUT, REUSED)
            if is_skipped and not task.state.is_final and after & set(task.before):
                after.add(task.label)
                skipped.append(self._task_link(task.label))
        return tag("p", "Skipped as a result: ", listed(skipped)) if skipped else None

    def _failed_task(self, task: TaskRun) -> Html:
        heading = tag("h3", self._task_link(task.label))
        why = tag("p", task.state.message or task.state.reason, class_="ending")
        return tag("div", heading, why, self._skipped_after(task), class_="failure")

    def _failed_step(self, task: TaskRun, step: StepRun) -> Html:
        log = self._log_of.get((task.label, step.name, task.attempts[-1].number))
        steps = {} if task.planned is None else {planned.name: planned for planned in task.planned.steps}
        command = describe_command(steps[step.name]) if step.name in steps else ""
        return tag(
            "div",
            tag("h3", self._task_link(task.label), " : ", step.name),
            tag("p", describe_step_end(step), class_="ending"),
            tag("p", "Command: ", tag("code", command)) if command else None,
            tag("p", "No output.", class_="muted") if log is None else self._last_lines(log),
            self._skipped_after(task),
            class_="failure",
        )

    def _last_lines(self, log: Log) -> Html:
        lines = (*log.beginning, *log.end)[-LAST_LINES:]
        markup = lines_markup(lines, log.count - len(lines) + 1, self._run.started)
        return joined(
            scrolled(f"The last lines of {log.source.task} : {log.source.step}", markup),
            tag("p", tag("a", f"Full output, {count_lines(log.count)}", href=f"#{self._output.anchor(log)}")),
        )

    # The DAG

    def _dag(self) -> Iterator[Html]:
        groups: dict[str, list[TaskRun]] = {}
        for task in self._run.tasks:
            groups.setdefault(task.state.path, []).append(task)
        if len(groups) > MOST_NODES:
            yield tag("p", f"{len(groups):,} Tasks are too many for a picture. The timeline lists all of them.")
            return
        edges = {
            (self._run.by_label[before].state.path, task.state.path)
            for task in self._run.tasks
            for before in task.before
        }
        path = [self._run.by_label[span.label].state.path for span in self._spent.critical]
        nodes = [self._node(name, tasks, is_critical=name in path) for name, tasks in groups.items()]
        critical = {(before, after) for before, after in pairwise(path) if before != after}
        yield zoom_tools()
        yield scrolled("The DAG of the Tasks", dag_picture(nodes, edges, critical))
        yield tag(
            "p",
            tag("span", "", class_="key critical", aria_hidden="true"),
            "the critical path: the Tasks that determined how long the run took",
            class_="legend",
        )

    def _node(self, name: str, tasks: Sequence[TaskRun], *, is_critical: bool) -> Node:
        statuses = [task.state.status for task in tasks]
        status = next(
            (worst for worst in ("Failed", "TimedOut", "Cancelled", "Running") if worst in statuses), statuses[0]
        )
        ran = [self._spans[task.label] for task in tasks if task.attempts]
        took = format_duration(max(span.ended for span in ran) - min(span.started for span in ran)) if ran else ""
        detail = " · ".join(
            [took or status_words(status).lower(), *([f"{len(tasks)} combinations"] if len(tasks) > 1 else [])]
        )
        text = f"{name}: {status_words(status)}" + (f" in {took}" if took else "")
        text += ", on the critical path" if is_critical else ""
        return Node(name, status, SYMBOLS[status], detail, text, self._task_anchor(tasks[0]), is_critical)

    # The timeline, with the details of each Task

    def _timeline(self) -> Iterator[Html]:
        yield tag(
            "p",
            tag("span", "", class_="key wait", aria_hidden="true"),
            "waiting  ",
            tag("span", "", class_="key run", aria_hidden="true"),
            "running  ",
            tag("span", "", class_="key critical", aria_hidden="true"),
            "on the critical path. Select a Task for its details.",
            class_="legend",
        )
        yield tag("div", tag("span"), self._bars.axis(), tag("span"), class_="row axis", aria_hidden="true")
        yield tag("div", (self._task(task) for task in self._run.tasks), class_="tasks", style=self._bars.grid_style())

    def _task(self, task: TaskRun) -> Html:
        span = self._spans[task.label]
        status = task.state.status
        took = format_duration(span.seconds) if task.attempts else "-"
        is_critical = task.label in self._critical
        summary = tag(
            "summary",
            tag(
                "span",
                symbol(status),
                tag("span", task.label, class_="label"),
                tag("span", f" {note}", class_="muted small") if (note := _note(task)) else None,
                tag("span", f" {status_words(status)}. ", class_="hidden"),
                tag("span", "critical", class_="badge critical") if is_critical else None,
                class_="name",
            ),
            self._bars.of_task(task, span, self._run.started),
            tag("span", took, class_="took"),
            class_="row",
        )
        return tag(
            "details",
            summary,
            tag("div", self._details(task), class_="details"),
            id=self._task_anchor(task),
            class_=f"task {status}" + (" critical" if is_critical else ""),
            open=task.failed,
        )

    def _details(self, task: TaskRun) -> Iterator[Html]:
        state, span = task.state, self._spans[task.label]
        yield from (tag("p", text) for text in (task.display_name, explain_task(task)) if text)
        yield from (tag("p", f"{sidecar.name}: {sidecar.ending}") for sidecar in state.ended_sidecars)
        if task.attempts:
            waited = f"waited {format_duration(span.waited)}, " if span.waited >= 0.05 else ""
            yield tag(
                "p",
                f"Ready at +{format_duration(span.ready)}, {waited}ran from +{format_duration(span.started)} "
                f"to +{format_duration(span.ended)}.",
                class_="muted",
            )
        if task.before and not state.is_final:
            yield tag(
                "p",
                "After ",
                listed(self._task_link(label) for label in task.before[:50]),
                class_="muted",
            )
        for attempt in task.attempts:
            if len(task.attempts) > 1:
                yield tag("h3", f"Attempt {attempt.number + 1}: {status_words(attempt.status)}")
                if attempt.message and attempt.status != "Succeeded":
                    yield tag("p", attempt.message)
            if attempt.steps:
                yield self._steps(task, attempt.number, attempt.steps)
            if task.planned is not None and task.planned.sidecars:
                yield self._sidecars(task, attempt)
        if task.params:
            yield values_table("Params", task.label, task.params)
        if task.results:
            yield values_table("Results", task.label, task.results)

    def _steps(self, task: TaskRun, attempt: int, steps: Sequence[StepRun]) -> Html:
        caption = f"Steps of {task.label}" + (f", attempt {attempt + 1}" if len(task.attempts) > 1 else "")
        heads = ("Step", "Ended", "Started", "Took", "CPU", "Peak memory", "Output")
        return table(caption, heads, [self._step_cells(task, attempt, step) for step in steps])

    def _sidecars(self, task: TaskRun, attempt: Attempt) -> Html:
        """Return the table of a Task's Sidecars in one attempt."""
        caption = f"Sidecars of {task.label}" + (f", attempt {attempt.number + 1}" if len(task.attempts) > 1 else "")
        endings = {sidecar.name: sidecar.ending for sidecar in attempt.sidecars if sidecar.reason}
        names = [] if task.planned is None else [sidecar.step.name for sidecar in task.planned.sidecars]
        rows = [
            (name, endings.get(name, "stopped after the Steps"), self._output_link(task.label, name, attempt.number))
            for name in names
        ]
        return table(caption, ("Sidecar", "Ended", "Output"), rows)

    def _output_link(self, task: str, name: str, attempt: int) -> str:
        """Return the link to the output of a Step or Sidecar, or a dash if it wrote nothing."""
        log = self._log_of.get((task, name, attempt))
        return "-" if log is None else tag("a", count_lines(log.count), href=f"#{self._output.anchor(log)}")

    def _step_cells(self, task: TaskRun, attempt: int, step: StepRun) -> tuple[Child, ...]:
        output = self._output_link(task.label, step.name, attempt)
        name = (symbol(step_status(step)), step.name)
        if step.seconds is None or step.start is None:
            return (name, describe_step_end(step), "-", "-", "-", "-", output)
        share = f" ({step.cpu / step.seconds:.0%})" if step.seconds >= 0.01 else ""
        return (
            name,
            describe_step_end(step),
            f"+{format_duration(step.start - self._run.started)}",
            fine_duration(step.seconds),
            f"{fine_duration(step.cpu)}{share}",
            kibibytes(step.peak),
            output,
        )

    # Where the time went

    def _time_spent(self) -> Iterator[Html]:
        spent = self._spent
        if not spent.critical:
            yield tag("p", "No Task started.")
            return
        yield tag("h3", "Critical path")
        rows = [
            (
                self._task_link(span.label),
                format_duration(span.held_up),
                format_duration(span.seconds),
                self._bars.share(span.own),
            )
            for span in spent.critical
        ]
        yield table("The critical path", ("Task", "Waited", "Took", "Share of the run"), rows)
        if spent.waits:
            yield tag("h3", "Longest waits of Tasks that were ready to run")
            yield item_list(f"{format_duration(wait.seconds)}: {describe_wait(wait)}" for wait in spent.waits)
        yield tag("h3", "Parallelism")
        yield item_list(describe_parallelism(spent))
        if spent.changes:
            yield tag("h3", "What would make the run faster")
            yield item_list(f"{_capitalized(describe_change(change, spent))}." for change in spent.changes)
        if spent.given_back is not None:
            yield tag("h3", "Capacity")
            yield item_list([f"{describe_total(spent.given_back)}."])

    # Params, Results, output

    def _values(self) -> list[Html]:
        run = self._run
        tables = []
        if run.params:
            tables.append(values_table("Params", "the run", run.params))
        if run.results:
            tables.append(values_table("Results", "the run", run.results))
        return tables

    def _task_link(self, label: str) -> Html:
        return tag("a", label, href=f"#{self._task_anchor(self._run.by_label[label])}")

    def _task_anchor(self, task: TaskRun) -> str:
        return self._anchors.of("task", task.label)


def _resource(name: str) -> str:
    return resources.files("monopod.runner.reports").joinpath(name).read_text("utf-8")


def script_tag(script: str) -> Html:
    """Return monopod's own script, unescaped."""
    return Html(f"<script>{script}</script>")


def _head(title: str, status: str, style: str, script: str) -> Iterator[Html]:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    colour = _FAVICON_COLOURS.get(status, "#59636e")
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="{colour}"/></svg>'
    )
    yield tag("meta", charset="utf-8")
    yield tag("meta", http_equiv="Content-Security-Policy", content=policy)
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name="color-scheme", content="light dark")
    yield tag("meta", name="referrer", content="no-referrer")
    yield tag("title", title)
    yield tag("link", rel="icon", href="data:image/svg+xml," + quote(picture))
    yield Html(f"<style>{style}</style>")


def _note(task: TaskRun) -> str:
    """Return the note beside the name of a Task: the params of its matrix, or why it was skipped."""
    if task.state.status == "Skipped":
        return task.state.reason
    return ", ".join(f"{name}={value}" for name, value in task.state.params)


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_failure(task: TaskRun, sidecar: SidecarRun) -> bool:
    """Return whether the end of a Sidecar is listed with the failures."""
    return sidecar.exit_code != 0 or task.failed
