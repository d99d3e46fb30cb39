"""Events and documents of a run without secrets.

Rules:

- Masked are texts that Steps or the user chose: messages, params, Results, the values in names of matrix combinations,
  and in documents everything else that does not identify something.
- Names of Tasks, Steps, containers and objects, kinds, reasons and times stay: programs compare them.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monopod.runner.masking.masks import Masks
from monopod.schemas.run_events import (
    MatrixExpanded,
    RunEvent,
    RunFinished,
    RunWarning,
    SidecarFinished,
    StepFinished,
    StepHeld,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)

_IDENTIFYING = frozenset(
    (
        *("apiVersion", "kind", "name", "generateName", "namespace", "uid", "type", "reason", "terminationReason"),
        *("container", "podName", "pipelineTaskName", "taskRunName", "creationTimestamp", "startTime"),
        *("completionTime", "lastTransitionTime", "startedAt", "finishedAt", "containerID", "imageID", "image"),
        *("runAfter", "serviceAccountName", "workspace", "taskRef", "pipelineRef", "refSource", "labels"),
    )
)
"""Fields whose texts are compared, here or by programs that read the document."""
_OF_USERS = frozenset(("value", "default"))
"""Fields with keys that the user chose."""


def masked_event(event: RunEvent, masks: Masks) -> RunEvent:
    """Return an event without secrets."""
    match event:
        case RunFinished(message=message, document=document):
            return event._replace(message=masks.mask_message(message), document=masked_document(document, masks))
        case TaskFinished(message=message, results=results):
            return event._replace(message=masks.mask_message(message), results=_without_secrets(results, masks))
        case StepFinished() | StepHeld() | SidecarFinished() | TaskSkipped() | RunWarning() if event.message:
            return event._replace(message=masks.mask_message(event.message))
        case TaskStarted(params=params) if params:
            return event._replace(params=_masked_values(params, masks))
        case MatrixExpanded(names=names):
            return event._replace(names=_masked_values(names, masks))
        case _:
            return event


def masked_document(document: dict[str, Any], masks: Masks) -> dict[str, Any]:
    """Return a PipelineRun or TaskRun without secrets."""
    masked: dict[str, Any] = _without_secrets(document, masks)
    return masked


def _without_secrets(data: Any, masks: Masks) -> Any:
    """Return plain data of Tekton's shape without secrets."""
    if isinstance(data, Mapping):
        return {key: _field(key, value, masks) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_secrets(item, masks) for item in data]
    return masks.mask_message(data) if isinstance(data, str) else data


def _field(name: str, value: Any, masks: Masks) -> Any:
    if name in _IDENTIFYING:
        return value
    return _masked_values(value, masks) if name in _OF_USERS else _without_secrets(value, masks)


def _masked_values(data: Any, masks: Masks) -> Any:
    """Return the value of a param or Result without secrets, whatever its keys are."""
    if isinstance(data, Mapping):
        return {key: _masked_values(value, masks) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_masked_values(item, masks) for item in data]
    return masks.mask_message(data) if isinstance(data, str) else data
