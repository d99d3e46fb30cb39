"""Runs as JUnit XML, which most CI systems display as test results.

Rules:

- A Task instance is a test suite; each Step in its last attempt is a test case. A Step that failed its Task is a
  failure if its program exited with an error, and an error if it was stopped or could not be started. A Step that never
  ran is skipped.
- A Step whose end is not known is an error.
- A Task that failed without a failed Step gets a test case of its own with the reason. A combination that was stopped
  because another one had decided its matrix is skipped.
- A run that did not succeed always has a failure or an error: if no Task has one, it gets a suite of its own with the
  reason.
- Each suite has the last `MOST_LINES` lines of output of each Step; each failure has the last `LAST_LINES` lines.
- Characters that XML does not allow are replaced.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from monopod.runner.display.printable import printable
from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.descriptions import describe_step_end, explain_task
from monopod.runner.reports.logs import Log, logs_of
from monopod.schemas.formats.visible_text import visible_lines
from monopod.schemas.run_progress import StepRun

MOST_LINES = 1000
LAST_LINES = 50

_FAILURES = ("Error",)
_FORBIDDEN = re.compile("[^\\t\\n\\r\\u0020-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def junit(runs: Sequence[RecordedRun]) -> str:
    """Return the XML of all runs, with their suites in order."""
    root = ElementTree.Element("testsuites", name=", ".join(run.header.name for run in runs))
    for run in runs:
        logs = {(log.source.task, log.source.step, log.source.attempt): log for log in logs_of(run)}
        suites = [_suite(run, task, logs) for task in run.tasks]
        root.extend(suites)
        if run.record.status not in ("Succeeded", "Completed") and not any(map(_has_failed, suites)):
            root.append(_suite_of_run(run))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(run.ended - run.started for run in runs):.3f}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _has_failed(suite: ElementTree.Element) -> bool:
    return suite.get("failures") != "0" or suite.get("errors") != "0"


def _suite_of_run(run: RecordedRun) -> ElementTree.Element:
    """Return a suite that says why a run did not succeed."""
    seconds = f"{max(run.ended - run.started, 0):.3f}"
    suite = ElementTree.Element(
        "testsuite",
        name=_text(run.header.name),
        tests="1",
        failures="0",
        errors="1",
        skipped="0",
        time=seconds,
        timestamp=_timestamp(run.started),
        hostname=run.header.backend,
    )
    class_name = _text(run.header.pipeline or run.header.name)
    case = ElementTree.SubElement(suite, "testcase", name="(the run itself)", classname=class_name, time=seconds)
    ElementTree.SubElement(case, "error", message=_text(run.message), type=_text(run.reason))
    return suite


def _suite(run: RecordedRun, task: TaskRun, logs: dict[tuple[str, str, int], Log]) -> ElementTree.Element:
    state = task.state
    started = run.started if state.started is None else state.started
    ended = started if state.started is None else run.ended if state.ended is None else state.ended
    cases = list(_cases(run, task, logs))
    suite = ElementTree.Element(
        "testsuite",
        name=_text(f"{run.header.name}.{task.label}"),
        tests=str(len(cases)),
        failures=_count(cases, "failure"),
        errors=_count(cases, "error"),
        skipped=_count(cases, "skipped"),
        time=f"{max(ended - started, 0):.3f}",
        timestamp=_timestamp(started),
        hostname=run.header.backend,
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("status", state.status), ("reason", state.reason), ("attempts", str(len(task.attempts)))):
        ElementTree.SubElement(properties, "property", name=name, value=_text(value))
    if task.display_name:
        ElementTree.SubElement(properties, "property", name="displayName", value=_text(task.display_name))
    for sidecar in state.ended_sidecars:
        name = _text(f"sidecar {sidecar.name}")
        ElementTree.SubElement(properties, "property", name=name, value=_text(sidecar.ending))
    suite.extend(cases)
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(_output(task, logs)))
    return suite


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _count(cases: Sequence[ElementTree.Element], kind: str) -> str:
    return str(sum(case.find(kind) is not None for case in cases))


def _cases(run: RecordedRun, task: TaskRun, logs: dict[tuple[str, str, int], Log]) -> Iterator[ElementTree.Element]:
    class_name = _text(f"{run.header.pipeline or run.header.name}.{task.label}")
    ran = {step.name: step for step in task.steps}
    planned = [step.name for step in task.planned.steps] if task.planned is not None else []
    attempt = task.attempts[-1].number if task.attempts else 0
    was_not_needed = _was_not_needed(run, task)
    for name in dict.fromkeys((*planned, *ran)):
        step = ran.get(name)
        seconds = 0.0 if step is None else step.seconds or 0.0
        case = ElementTree.Element("testcase", name=_text(name), classname=class_name, time=f"{max(seconds, 0):.3f}")
        if step is None or (step.reason == "Skipped" and not step.could_not_start):
            why = explain_task(task) if step is None else describe_step_end(step)
            ElementTree.SubElement(case, "skipped", message=_text(why or "did not run"))
        elif _is_bad(step) and was_not_needed:
            ElementTree.SubElement(case, "skipped", message=_text(explain_task(task)))
        elif _is_bad(step):
            _add_failure(case, step, logs.get((task.label, name, attempt)))
        yield case
    if (
        task.state.status in ("Failed", "TimedOut", "Cancelled")
        and not any(map(_is_bad, task.steps))
        and not was_not_needed
    ):
        case = ElementTree.Element("testcase", name="(the Task itself)", classname=class_name, time="0.000")
        ElementTree.SubElement(case, "error", message=_text(explain_task(task)), type=_text(task.state.reason))
        yield case


def _is_bad(step: StepRun) -> bool:
    """Whether it failed, was stopped, could not start, or has no known end."""
    return step.failed or step.could_not_start or step.reason in ("Cancelled", "")


def _was_not_needed(run: RecordedRun, task: TaskRun) -> bool:
    """Whether it is a combination that was stopped, or never started, since another one had decided its matrix."""
    matrix = None if task.planned is None else task.planned.matrix
    if matrix is None or task.state.status != "Cancelled":
        return False
    others = {other.state.status for other in run.tasks if other.state.path == task.state.path}
    return (matrix.completion == "any" and "Succeeded" in others) or (
        matrix.fail_fast and not others.isdisjoint(("Failed", "TimedOut"))
    )


def _add_failure(case: ElementTree.Element, step: StepRun, log: Log | None) -> None:
    kind = "failure" if step.reason in _FAILURES else "error"
    reason = step.reason or "Unknown"
    failure = ElementTree.SubElement(case, kind, message=_text(describe_step_end(step)), type=_text(reason))
    failure.text = _text("\n".join(_lines(log, LAST_LINES)))


def _output(task: TaskRun, logs: dict[tuple[str, str, int], Log]) -> Iterator[str]:
    for (label, step, attempt), log in logs.items():
        if label == task.label:
            yield f"=== {step}" + (f", attempt {attempt + 1}" if len(task.attempts) > 1 else "")
            yield from _lines(log, MOST_LINES)


def _lines(log: Log | None, most: int) -> Iterator[str]:
    if log is None:
        return
    lines = (*log.beginning, *log.end)[-most:]
    if log.count > len(lines):
        yield f"({log.count - len(lines)} lines before)"
    yield from (printable(line.text, colours=False) for line in lines)


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", visible_lines(text))
