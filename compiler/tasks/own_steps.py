"""Which Steps of monopod's own a Task gets for its annotations, and in which order they run.

Rules:

- Views come first: what follows works on what the Task's Steps see. Then caches are restored. After the author's Steps
  caches are saved, digests computed and views merged.
- An annotation of the run for this Task (``taskRunSpecs``, or a TaskRun's own) replaces the Task's. Caches of the
  Pipeline are for Tasks without caches of their own.

Left to others: the Steps of each kind (``views``, ``workspace_digests``, ``compiler.caches``), their containers
(``injected_steps``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monopod.compiler.documents.annotations import Annotations, owner_of
from monopod.compiler.documents.own_annotations import CACHE, DIGEST, VIEWS
from monopod.compiler.scope.references import Names
from monopod.compiler.tasks.injected_steps import NONE, InjectedSteps
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.views import ViewedTask, with_views
from monopod.compiler.tasks.workspace_digests import digest_steps
from monopod.compiler.tasks.workspaces import Bindings, TaskWorkspace
from monopod.schemas.variables import Path, Scope

if TYPE_CHECKING:
    from monopod.compiler.caches.annotation import CacheSpec
    from monopod.compiler.documents.text_in_document import TextPlace


@dataclass(frozen=True, slots=True)
class AnnotatedTask:
    """A Task as its annotations see it.

    ``path`` leads to it, ``receiver`` is its name in messages, ``steps`` are the names of its Steps. ``annotations``
    are those of the run, if any, and its own. ``matrix`` are the params of its matrix, ``used`` the paths that its
    texts refer to, ``fixed`` the variables with known values. ``outer`` are the Workspaces of its Pipeline, and
    ``caches`` the caches.
    """

    path: tuple[str, ...]
    receiver: str
    steps: Sequence[str]
    annotations: Sequence[Annotations]
    matrix: Sequence[str]
    used: frozenset[Path]
    names: Names
    fixed: Scope
    outer: Bindings
    caches: Sequence[tuple[CacheSpec, TextPlace]]

    def annotated(self, name: str) -> Annotations:
        """Return the annotations that hold an annotation; the Task's own if none do."""
        return owner_of(name, self.annotations) or self.annotations[-1]


def own_steps(
    task: AnnotatedTask, workspaces: Sequence[TaskWorkspace], state: CompilerState
) -> tuple[list[TaskWorkspace], InjectedSteps]:
    """Return the Workspaces as the Task's Steps see them, and the Steps. What is wrong is reported."""
    viewed = ViewedTask(task.path, task.receiver, task.annotated(VIEWS), task.matrix, task.used)
    seen, views, problems = with_views(viewed, workspaces, state.views, state.draft)
    state.report.extend(problems)
    digests = digest_steps(task.annotated(DIGEST), seen, task.receiver, state.report)
    return seen, views.around(digests.around(_cache_steps(task, seen, state))).named(task.steps)


def _cache_steps(task: AnnotatedTask, workspaces: Sequence[TaskWorkspace], state: CompilerState) -> InjectedSteps:
    """Return the Steps for the caches of the run for this Task, else for its own, else for its Pipeline's."""
    annotations = task.annotated(CACHE)
    if CACHE not in annotations.values and not task.caches:
        return NONE
    from monopod.compiler.caches.annotation import caches_of  # noqa: PLC0415  # most Tasks have none
    from monopod.compiler.caches.cache_steps import CacheScope, cache_steps  # noqa: PLC0415
    from monopod.compiler.caches.pipeline_caches import caches_for_task  # noqa: PLC0415

    if CACHE in annotations.values:
        caches = caches_of(annotations, state.catalog, state.report)
    else:
        caches = list(caches_for_task(task.caches, workspaces, task.outer))
    scope = CacheScope(task.names, task.fixed, workspaces, task.receiver, task.steps, state.report)
    return cache_steps(caches, state.cache_store.store, scope, state.draft)
