"""Runs as OpenTelemetry spans, in the JSON encoding of OTLP (ExportTraceServiceRequest).

Rules:

- A run is a trace, and its root span. Its children are the Task instances, then their attempts if there are several,
  then the Steps. A Task links to the Tasks that it waited for.
- Span and trace ids are derived from the UID of the run, so that a run always produces the same trace.
- Attributes follow OpenTelemetry's semantic conventions for CI/CD where they exist; other names are ``monopod.*``.
- Tasks and Steps that never started have no span.

Sources: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (identities are hexadecimal, 64-bit numbers
are strings, enumerations are numbers) and https://opentelemetry.io/docs/specs/semconv/cicd/.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import monopod
from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.descriptions import describe_step_end, explain_task
from monopod.schemas.run_progress import Attempt, StepRun

_INTERNAL = 1  # SpanKind.SPAN_KIND_INTERNAL
_OK, _ERROR = 1, 2  # Status.StatusCode

_Attribute: TypeAlias = str | int | float | bool
_RESULTS = {
    "Succeeded": "success",
    "Failed": "failure",
    "TimedOut": "timeout",
    "Cancelled": "cancellation",
    "Skipped": "skip",
}
"""The values of cicd.pipeline.result and cicd.pipeline.task.run.result."""


def trace(runs: Sequence[RecordedRun]) -> str:
    """Return the traces of all runs as one OTLP request in JSON."""
    return json.dumps({"resourceSpans": [_resource_spans(run) for run in runs]}, indent=1) + "\n"


def _resource_spans(run: RecordedRun) -> dict[str, Any]:
    resource = {
        "service.name": run.header.pipeline or "monopod",
        "cicd.pipeline.name": run.header.pipeline,
        "k8s.namespace.name": run.header.namespace,
    }
    scope = {"name": "monopod", "version": monopod.__version__}
    return {
        "resource": {"attributes": _attributes(resource)},
        "scopeSpans": [{"scope": scope, "spans": list(_Spans(run).all())}],
    }


class _Spans:
    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._seed = f"{run.header.uid}/{run.header.name}/{run.started:.6f}"
        self._trace = hashlib.sha256(self._seed.encode()).hexdigest()[:32]

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield the spans of the run, parents first."""
        run = self._run
        attributes: dict[str, _Attribute] = {
            "cicd.pipeline.run.id": run.header.uid or run.header.name,
            "cicd.pipeline.run.state": "executing" if run.record.status == "Running" else "finalizing",
            "monopod.run.name": run.header.name,
            "monopod.run.reason": run.reason,
            "monopod.backend": run.header.backend,
        }
        if run.record.status in _RESULTS:
            attributes["cicd.pipeline.result"] = _RESULTS[run.record.status]
        span = self._span(("run",), None, run.header.name, (run.started, run.ended), attributes)
        span["status"] = _status(run.record.status, run.message)
        span["events"] = [
            {
                "timeUnixNano": _nanoseconds(warning.at),
                "name": "warning",
                "attributes": _attributes({"message": warning.message}),
            }
            for warning in run.warnings
        ]
        yield span
        for task in run.tasks:
            if task.state.started is not None:
                yield from self._task(task, task.state.started)

    def _task(self, task: TaskRun, started: float) -> Iterator[dict[str, Any]]:
        state = task.state
        ended = self._run.ended if state.ended is None else state.ended
        attributes: dict[str, _Attribute] = {
            "cicd.pipeline.task.name": state.path,
            "cicd.pipeline.task.run.id": self._identity("task", task.label),
            "monopod.task.reason": state.reason,
            "monopod.task.attempts": len(task.attempts),
        }
        if state.index is not None:
            attributes["monopod.task.index"] = state.index
        if state.status in _RESULTS:
            attributes["cicd.pipeline.task.run.result"] = _RESULTS[state.status]
        for name, value in task.params:
            attributes[f"monopod.task.param.{name}"] = value if isinstance(value, str) else json.dumps(value)
        span = self._span(("task", task.label), ("run",), task.label, (started, ended), attributes)
        span["status"] = _status(state.status, explain_task(task))
        span["links"] = [
            {"traceId": self._trace, "spanId": self._identity("task", label), "attributes": []}
            for label in task.before
            if self._run.by_label[label].state.started is not None
        ]
        yield span
        for attempt in task.attempts:
            yield from self._attempt(task, attempt)

    def _attempt(self, task: TaskRun, attempt: Attempt) -> Iterator[dict[str, Any]]:
        parent: tuple[str, ...] = ("task", task.label)
        if len(task.attempts) > 1:
            own = ("attempt", task.label, str(attempt.number))
            ended = self._run.ended if attempt.ended is None else attempt.ended
            span = self._span(own, parent, f"attempt {attempt.number + 1}", (attempt.started, ended), {})
            span["status"] = _status(attempt.status, attempt.message)
            yield span
            parent = own
        for step in attempt.steps:
            if step.start is not None and step.end is not None:
                yield self._step(task, attempt, step, parent)

    def _step(self, task: TaskRun, attempt: Attempt, step: StepRun, parent: tuple[str, ...]) -> dict[str, Any]:
        assert step.start is not None
        assert step.end is not None
        attributes: dict[str, _Attribute] = {
            "k8s.container.name": step.container,
            "process.exit.code": step.exit_code,
            "monopod.step.reason": step.reason,
            "monopod.step.cpu_seconds": step.cpu,
            "monopod.step.peak_memory_bytes": step.peak * 1024,
        }
        own = ("step", task.label, str(attempt.number), step.name)
        span = self._span(own, parent, step.name, (step.start, step.end), attributes)
        span["status"] = _status("Failed" if step.failed else "Succeeded", describe_step_end(step))
        return span

    def _span(
        self,
        own: tuple[str, ...],
        parent: tuple[str, ...] | None,
        name: str,
        times: tuple[float, float],
        attributes: Mapping[str, _Attribute],
    ) -> dict[str, Any]:
        started, ended = times
        return {
            "traceId": self._trace,
            "spanId": self._identity(*own),
            **({} if parent is None else {"parentSpanId": self._identity(*parent)}),
            "name": name,
            "kind": _INTERNAL,
            "startTimeUnixNano": _nanoseconds(started),
            "endTimeUnixNano": _nanoseconds(max(ended, started)),
            "attributes": _attributes(attributes),
        }

    def _identity(self, *names: str) -> str:
        return hashlib.sha256("\0".join((self._seed, *names)).encode()).hexdigest()[:16]


def _status(status: str, message: str) -> dict[str, Any]:
    if status == "Succeeded":
        return {"code": _OK}
    return {"code": _ERROR, "message": message} if status in ("Failed", "TimedOut", "Cancelled") else {}


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1_000_000) * 1000)  # limited to the precision of time.time()


def _attributes(values: Mapping[str, _Attribute]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any_value(value)} for key, value in values.items()]


def _any_value(value: _Attribute) -> dict[Literal["stringValue", "intValue", "doubleValue", "boolValue"], Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
