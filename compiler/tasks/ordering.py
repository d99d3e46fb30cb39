"""Ordering: which PipelineTasks must end before another one starts, and whether there is an order at all.

Rules (Tekton docs/pipelines.md, "Configuring the Task execution order"):

- A Task runs after the Tasks in its ``runAfter``, and after the Tasks whose Results (or Artifacts) it refers to, in its
  own fields or in its embedded spec.
- Finally Tasks are not ordered among themselves.

Left to others: whether a reference is valid (``references``), describing cycles (``cycles``).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.texts import references_of
from monopod.schemas.tekton.pipelines import PipelineTask
from monopod.schemas.variables import Reference

_HINTS = 100
"""The maximum number of unknown names for which a similar name is suggested."""

_SOURCES = frozenset({"results", "outputs", "inputs"})


@dataclass(frozen=True, slots=True)
class Order:
    """What one PipelineTask waits for; `sources` are the Tasks whose Results it needs."""

    after: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def references_of_task(task: PipelineTask) -> list[Reference]:
    """Return the references in a PipelineTask, and in its embedded Task. An embedded Pipeline is not searched."""
    return references_of([value for name, value in task.__dict__.items() if name != "pipeline_spec"])


def sources(found: Iterable[Reference]) -> tuple[str, ...]:
    """Return the Tasks whose Results these references of a PipelineTask mean, each once, in order."""
    return tuple(dict.fromkeys(name for name in map(_source, found) if name is not None))


def _source(reference: Reference) -> str | None:
    path = reference.path
    if path[0] != "tasks" or len(path) < 3:
        return None
    of_matrix = path[2] == "matrix" and len(path) == 5
    return path[1] if path[2] in _SOURCES or of_matrix else None


def order_tasks(tasks: Sequence[PipelineTask], found: Mapping[str, Sequence[Reference]]) -> dict[str, Order]:
    """Return what each of a Pipeline's tasks waits for; `found` are its references. Unknown names are left out."""
    names = {task.name for task in tasks}
    orders = {}
    for task in tasks:
        needed = tuple(name for name in sources(found[task.name]) if name in names)
        after = dict.fromkeys((*(name for name in task.run_after if name in names), *needed))
        orders[task.name] = Order(tuple(after), needed)
    return orders


def order_problems(
    tasks: Sequence[tuple[PipelineTask, Place]], orders: Mapping[str, Order], final: Container[str] = ()
) -> Iterator[Problem]:
    """Yield each unknown name in ``runAfter``, and each cycle; `final` are the names of the finally Tasks."""
    places = {task.name: place for task, place in tasks}
    unknown = 0
    for task, place in tasks:
        for index, name in enumerate(task.run_after):
            if name in places:
                continue
            unknown += 1
            hint = did_you_mean(name, places.keys() - {task.name}) if unknown <= _HINTS else ""
            message = f"there is no Task '{name}'{hint}"
            if name in final:
                message = f"'{name}' is a finally Task, which starts after all the tasks: none can run after it"
            yield place.at("runAfter", index).problem("unknown-task", message)
    after = {name: order.after for name, order in orders.items()}
    try:
        TopologicalSorter(after).prepare()
    except CycleError:
        from monopod.compiler.tasks.cycles import cycles  # noqa: PLC0415  # slow to import, and hardly ever needed

        yield from cycles(after, places)
