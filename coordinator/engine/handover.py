"""What the Pod of a group of Tasks hands over to the Pods of other groups: what became of its Tasks, and their Results.

Rules:

- It is one word of ASCII: JSON, compressed, in base64. The termination message of the coordinator's container is that
  word, or the file that ``--handover`` names has it. An engine (Argo Workflows, Tekton) passes it on as a parameter.
- It is handed over only if the group succeeded. Without that, the engine starts no group after it.
- A word has at most as many bytes as the compiler says (`LIMIT`), at most `MOST_BYTES`: kubelet cuts termination
  messages. If more would be handed over, the word is `TOO_LONG`, the size and the limit, and the run of the Pod that
  takes over fails with that reason.
- The Pod that takes over has the words in its environment (`VARIABLE`), separated by spaces.

Pure. Left to others: what is handed over (``compiler.grouping``), what follows from it (``engine``).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from typing import Any

from monopod.coordinator.engine.run_state import PipelineState
from monopod.schemas.plan import ELSEWHERE, LeftOut, Param, Plan, Task
from monopod.schemas.variables import parse_path
from monopod.system import foreign_json

VARIABLE = "MONOPOD_HANDED_OVER"
LIMIT = "MONOPOD_HANDOVER_BYTES"
MOST_BYTES = 4096
"""How much of a termination message kubelet keeps; less if a Pod has more than three containers."""
TOO_LONG = "too-long:"


def hand_over(run: PipelineState, names: Iterable[str], most_bytes: int = MOST_BYTES) -> str:
    """Return the word for these Tasks (``tasks.build``) and variables of a run that succeeded (`Plan.hands_over`)."""
    tasks: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in names:
        path = parse_path(name)
        if len(path) == 2:
            task = run.tasks[path[1]]
            tasks[path[1]] = task.reason if task.phase == "Skipped" and not task.reused else ""
        elif (value := run.scope.get(path)) is not None:
            values[name] = value
    text = json.dumps({"tasks": tasks, "values": values}, separators=(",", ":"), ensure_ascii=False)
    word = base64.b64encode(zlib.compress(text.encode(errors="surrogateescape"), 9)).decode()
    return word if len(word) <= most_bytes else f"{TOO_LONG}{len(word)}/{most_bytes}"


def take_over(plan: Plan, words: Iterable[str]) -> Plan:
    """Return a Plan in which the Tasks of earlier groups have what was handed over, or the reason why they do not."""
    awaited = {task.name: task.left_out.group for task in plan.pipeline.tasks if task.left_out and task.left_out.group}
    if not awaited:
        return plan
    tasks: dict[str, str] = {}
    values: dict[str, Any] = {}
    problems = []
    for word in words:
        handed = _decode(word)
        if isinstance(handed, str):
            problems.append(handed)
        else:
            tasks.update(handed["tasks"])
            values.update(handed["values"])

    def changed(task: Task) -> Task:
        if task.name not in awaited:
            return task
        if task.name in tasks:
            return _taken_over(task, tasks, values)
        problem = f"the group '{awaited[task.name]}' did not hand over its Task '{task.name}' in {VARIABLE}"
        return _unusable(task, problems[0] if problems else problem)

    return plan._replace(pipeline=plan.pipeline._replace(tasks=tuple(map(changed, plan.pipeline.tasks))))


def _unusable(task: Task, problem: str) -> Task:
    assert task.left_out is not None
    return task._replace(left_out=task.left_out._replace(problem=problem))


def _taken_over(task: Task, tasks: dict[str, str], values: dict[str, Any]) -> Task:
    assert task.left_out is not None
    message = f"in the group {task.left_out.group}"
    if tasks[task.name]:
        return task._replace(left_out=task.left_out._replace(reason=tasks[task.name], message=message))
    results, variables = [], []
    for name, value in values.items():
        path = parse_path(name)
        if path[1] != task.name:
            continue
        if path[2] == "results":
            results.append(Param(path[3], tuple(value) if isinstance(value, list) else value))
        else:
            variables.append((name, str(value)))
    left_out = LeftOut(ELSEWHERE, message, tuple(results), tuple(variables), reused=True, group=task.left_out.group)
    return task._replace(left_out=left_out)


def _decode(word: str) -> dict[str, Any] | str:
    """Return what a word says, or why it cannot be used."""
    if word.startswith(TOO_LONG):
        size, _, most = word.removeprefix(TOO_LONG).partition("/")
        message = f"an earlier group has Results of {size} bytes for this one, and its Pod can hand over {most}"
        return f"{message}; write them to a Workspace, or put the Tasks into one group"
    try:
        handed = foreign_json.loads(zlib.decompress(base64.b64decode(word, validate=True)))
        if not isinstance(handed["tasks"], dict) or not isinstance(handed["values"], dict):
            raise TypeError
    except (ValueError, TypeError, KeyError, zlib.error):
        message = "is not what the Pod of a group hands over; use the object that monopod compile wrote unchanged"
        return f"{VARIABLE}: '{word[:40]}' {message}"
    return {"tasks": handed["tasks"], "values": handed["values"]}
