"""Fields that monopod does not do, or not yet: each is refused by name, so that nothing is ever silently ignored.

Left to others: what a single stage refuses for a reason of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.places import Place
from monopod.schemas import tekton

_NOT_YET = "not supported yet"
_NOT_RESTARTED = "a Sidecar runs from before the first Step until after the last, and is not restarted meanwhile"


def in_task(spec: tekton.TaskSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a Task that are refused."""
    for index, sidecar in enumerate(spec.sidecars):
        fields: dict[str, Any] = {
            "livenessProbe": sidecar.liveness_probe,
            "lifecycle": sidecar.lifecycle,
            "restartPolicy": sidecar.restart_policy,
        }
        at = place.at("sidecars", index)
        for name, value in fields.items():
            if value:
                yield at.at(name).problem("unsupported", f"{_NOT_RESTARTED}; leave {name} out")
        for name, value in {"stdin": sidecar.stdin, "stdinOnce": sidecar.stdin_once, "tty": sidecar.tty}.items():
            if value:
                yield at.at(name).problem("unsupported", f"a Sidecar has no terminal to talk to; leave {name} out")


def in_pipeline_run(spec: tekton.PipelineRunSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a PipelineRun that are refused."""
    yield from _given({"status": spec.status, "managedBy": spec.managed_by}, place)


def in_task_run(spec: tekton.TaskRunSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a TaskRun that are refused."""
    yield from _given(
        {
            "debug": spec.debug,
            "status": spec.status,
            "managedBy": spec.managed_by,
        },
        place,
    )


def _given(fields: dict[str, Any], place: Place) -> Iterator[Problem]:
    for name, value in fields.items():
        if value:
            yield place.at(name).problem("unsupported", _NOT_YET)
