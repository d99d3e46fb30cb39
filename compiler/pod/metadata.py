"""Labels and annotations of the Pod: from the run, from its Pipeline, and from Tasks that have some for their own Pods.

Rules (Tekton docs/labels.md; docs/pipelineruns.md, "Specifying taskRunSpecs"):

- The run's values win over its Pipeline's (a TaskRun's over its Task's).
- The metadata that a taskSpec or a taskRunSpec has for the Pod of one Task is added to the run's Pod. If the Pod has
  another value already, that value is kept, with a warning.
- The metadata of a Task document does not describe the Pod of all Tasks, and is not copied from a Pipeline's Tasks.

Left to others: what monopod itself adds (``pod.assembly``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.own_annotations import NOT_FOR_PODS
from monopod.compiler.documents.places import Place
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.tekton.pipelines import PipelineTaskMetadata

_OF_THE_OBJECT = NOT_FOR_PODS | {"kubectl.kubernetes.io/last-applied-configuration"}
"""Annotations that describe only the object that has them."""


@dataclass(frozen=True, slots=True)
class ForOneTask:
    """Labels and annotations for the Pod of one Task, and where they are written."""

    metadata: PipelineTaskMetadata
    place: Place


@dataclass(frozen=True, slots=True)
class PodMetadata:
    """Labels and annotations of the Pod."""

    labels: dict[str, str]
    annotations: dict[str, str]
    problems: tuple[Problem, ...] = ()


def pod_metadata(
    run: Mapping[str, Mapping[str, str]],
    source: ObjectMeta | None,
    of_tasks: Iterable[ForOneTask],
) -> PodMetadata:
    """Return the metadata of a Pod, from its `run` (plain data), its Pipeline or Task (`source`), and its Tasks."""
    labels, annotations = dict(source.labels if source else {}), _copied(source.annotations if source else {})
    labels.update(run.get("labels") or {})
    annotations.update(run.get("annotations") or {})
    problems: list[Problem] = []
    for task in of_tasks:
        problems += _added(labels, task.metadata.labels, task.place.at("labels"))
        problems += _added(annotations, _copied(task.metadata.annotations), task.place.at("annotations"))
    return PodMetadata(labels, annotations, tuple(problems))


def _copied(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in annotations.items() if name not in _OF_THE_OBJECT}


def _added(present: dict[str, str], more: Mapping[str, str], place: Place) -> Iterator[Problem]:
    for name, value in more.items():
        if present.setdefault(name, value) != value:
            message = f"the run is one Pod, which has '{present[name]}' here; '{value}' has no effect"
            yield place.at(name).problem("pod-conflict", message, "warning")
