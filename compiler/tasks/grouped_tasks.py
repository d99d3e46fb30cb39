"""The PipelineTasks of a run that may be cut into groups, each with the group that its author names.

Rules:

- The annotation ``monopod.dev/group`` is in the metadata of the Task or of the taskSpec. Only the Tasks of the run's
  own Pipeline are in groups: a Pipeline that runs as a Task stays whole.
- A group has the name of a Kubernetes label, since objects and templates are named after it. It begins with a letter:
  Argo Workflows refuses other names of Tasks with dependencies.

Left to others: what is in which group (``grouping.partition``).
"""

from __future__ import annotations

from dataclasses import dataclass

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations, Setting, read
from monopod.compiler.documents.own_annotations import GROUP
from monopod.compiler.documents.places import Place
from monopod.schemas.formats.object_names import label_problem
from monopod.schemas.tekton.pipelines import PipelineTask

LONGEST_NAME = 40
"""The names of a group's objects have the name of the run before it, and 63 characters at most."""


@dataclass(frozen=True, slots=True)
class GroupedTask:
    """A PipelineTask, where it is written, and the group that its annotation names."""

    task: PipelineTask
    place: Place
    group: Setting[str] | None


def grouped_task(task: PipelineTask, place: Place, annotations: Annotations | None, report: Report) -> GroupedTask:
    """Return a PipelineTask with its group; an annotation that is wrong is reported."""
    group = None if annotations is None else read(GROUP, [annotations], _name, report)
    return GroupedTask(task, place, group)


def _name(text: str) -> str:
    if (wrong := label_problem(text)) is not None:
        raise ValueError(wrong)
    if text[0].isdigit():
        raise ValueError(f"'{text}' is not the name of a group: use a letter first")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"'{text}' has {len(text)} characters; the name of a group may have {LONGEST_NAME}")
    return text
