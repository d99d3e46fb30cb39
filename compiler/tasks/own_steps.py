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

from monopod.compiler.caches.annotation import CacheSpec, caches_of
from monopod.compiler.caches.cache_steps import CacheScope, cache_steps
from monopod.compiler.caches.pipeline_caches import caches_for_task
from monopod.compiler.documents.text_in_document import TextPlace
from monopod.compiler.scope.references import Names
from monopod.compiler.tasks.annotations import CACHE, DIGEST, VIEWS, TaskAnnotations
from monopod.compiler.tasks.injected_steps import InjectedSteps
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.views import ViewedTask, with_views
from monopod.compiler.tasks.workspace_digests import digest_steps
from monopod.compiler.tasks.workspaces import Bindings, TaskWorkspace
from monopod.schemas.variables import Path, Scope


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
    annotations: Sequence[TaskAnnotations]
    matrix: Sequence[str]
    used: frozenset[Path]
    names: Names
    fixed: Scope
    outer: Bindings
    caches: Sequence[tuple[CacheSpec, TextPlace]]

    def annotated(self, name: str) -> TaskAnnotations:
        """Return the annotations that hold an annotation; the Task's own if none do."""
        return next((each for each in self.annotations if name in each.values), self.annotations[-1])


def own_steps(
    task: AnnotatedTask, workspaces: Sequence[TaskWorkspace], state: CompilerState
) -> tuple[list[TaskWorkspace], InjectedSteps]:
    """Return the Workspaces as the Task's Steps see them, and the Steps. What is wrong is reported."""
    viewed = ViewedTask(task.path, task.receiver, task.annotated(VIEWS), task.matrix, task.used)
    seen, views, problems = with_views(viewed, workspaces, state.views, state.draft)
    state.report.extend(problems)
    digests = digest_steps(task.annotated(DIGEST), seen, task.receiver, state.draft, state.report)
    scope = CacheScope(task.names, task.fixed, seen, task.receiver, task.steps, state.report)
    caches = cache_steps(_caches(task, seen, state), state.cache_store.store, scope, state.draft)
    return seen, views.around(digests.around(caches)).named(task.steps)


def _caches(
    task: AnnotatedTask, workspaces: Sequence[TaskWorkspace], state: CompilerState
) -> list[tuple[CacheSpec, TextPlace]]:
    """Return the caches of the run for this Task, else its own, else its Pipeline's."""
    annotations = task.annotated(CACHE)
    if CACHE in annotations.values:
        return caches_of(annotations, state.catalog, state.report)
    return list(caches_for_task(task.caches, workspaces, task.outer))
