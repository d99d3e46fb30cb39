"""Port clashes: Sidecars that can run at the same time and use the same port of their Pod.

Rules:

- In Tekton each Task is a Pod with its own ports; here all Tasks share one network.
- Two Tasks can overlap unless one waits for the other. Finally Tasks overlap only with each other.
- Combinations of a matrix overlap if they have more than one slot.
- A clash of declared ports is an error. If a Sidecar only seems to listen on the port, it is a warning, except within
  one Task, which is one Pod in Tekton too.

Left to others: which ports a Sidecar uses (``sidecar_ports``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem, Severity
from monopod.compiler.documents.own_annotations import MAX_CONCURRENCY
from monopod.compiler.tasks.sidecar_ports import ListeningPort
from monopod.schemas.plan import Pipeline

TaskPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortOfSidecar:
    """A port of a Sidecar of a Task; the Task runs in `slots` slots."""

    task: TaskPath
    sidecar: str
    listening: ListeningPort
    slots: int


def port_clashes(pipeline: Pipeline, ports: Sequence[PortOfSidecar]) -> Iterator[Problem]:
    """Yield a problem at each port that another Sidecar uses and that can be in use at the same time."""
    for index, second in enumerate(ports):
        if second.slots > 1:
            yield _problem(second, second, _in_matrix(second))
        for first in ports[:index]:
            port, earlier = second.listening, first.listening
            if (earlier.port, earlier.protocol) != (port.port, port.protocol):
                continue
            if first.task == second.task:
                if port.declared and earlier.declared:
                    yield _problem(first, second, _message(first, second))
                    break
            elif can_overlap(pipeline, first.task, second.task):
                yield _problem(first, second, _message(first, second))
                break


def _problem(first: PortOfSidecar, second: PortOfSidecar, message: str) -> Problem:
    severity: Severity = "error" if first.listening.declared and second.listening.declared else "warning"
    return second.listening.place.problem("port-clash", message, severity)


def _in_matrix(port: PortOfSidecar) -> str:
    start = f"{port.slots} combinations of the Task '{'/'.join(port.task)}' can run at the same time in one Pod"
    way_out = f"annotate the Task with {MAX_CONCURRENCY}: '1'"
    if port.listening.declared:
        return f"{start}, which has the port {port.listening.port} only once; {way_out}"
    what = f"the Sidecar '{port.sidecar}' of each seems to listen on the port {port.listening.port}"
    return f"{start}, and {what}, which the Pod has only once; {way_out}"


def _message(first: PortOfSidecar, second: PortOfSidecar) -> str:
    port = second.listening.port
    owner = f"the Sidecar '{first.sidecar}' of the Task '{'/'.join(first.task)}'"
    if first.task == second.task:
        return f"the port {port} is taken by {owner}"
    declared = first.listening.declared and second.listening.declared
    start = (
        f"the port {port} is taken by {owner}, which"
        if declared
        else (f"the Sidecar '{second.sidecar}' seems to listen on the port {port}, as does {owner}, which")
    )
    return f"{start} can run at the same time in the same Pod; use another port, or let one Task run after the other"


def can_overlap(pipeline: Pipeline, first: TaskPath, second: TaskPath) -> bool:
    """Return whether two different Tasks, named by their paths, can run at the same time."""
    if first[0] == second[0]:
        tasks = pipeline.all_tasks
        inner = next(task.pipeline for task in tasks if task.name == first[0])
        return inner is None or can_overlap(inner, first[1:], second[1:])
    final = {task.name for task in pipeline.final_tasks}
    if first[0] in final or second[0] in final:
        return first[0] in final and second[0] in final
    after = {task.name: task.after for task in pipeline.tasks}
    return not (_waits(first[0], second[0], after) or _waits(second[0], first[0], after))


def _waits(task: str, other: str, after: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a Task waits for another, directly or not."""
    seen: set[str] = set()
    ahead = [task]
    while ahead:
        name = ahead.pop()
        if name == other:
            return True
        ahead.extend(earlier for earlier in after[name] if earlier not in seen)
        seen.update(after[name])
    return False
