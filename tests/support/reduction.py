"""Reduces a failing case while it still fails: Tasks, then fields, then the world."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from random_pipelines import Case, with_restarts
from simulation import tasks_of

from monopod.schemas.plan import Pipeline, Task


def reduced(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a failing case that none of the reductions makes smaller."""
    while True:
        smaller = next((each for each in _smaller_cases(case) if fails(each)), None)
        if smaller is None:
            return case
        case = smaller


def described(value: object) -> str:
    """Return a case, or a part of it, as Python code without default values."""
    if type(value) is tuple:
        return f"({', '.join(map(described, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{described(key)}: {described(held)}' for key, held in value.items())}}}"
    if dataclasses.is_dataclass(value):
        fields = [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value)]
        defaults = {each.name: each.default for each in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_field_defaults"):
        fields = list(value._asdict().items())
        defaults = {name: value._field_defaults.get(name, dataclasses.MISSING) for name, _ in fields}
    else:
        return repr(value)
    said = [f"{name}={described(held)}" for name, held in fields if held != defaults[name]]
    return f"{type(value).__name__}({', '.join(said)})"


def _smaller_cases(case: Case) -> Iterator[Case]:
    for pipeline in _smaller_pipelines(case.plan.pipeline):
        yield dataclasses.replace(case, plan=case.plan._replace(pipeline=pipeline))
    for name in ("behaviours", "ready", "deaths", "start_failures", "releases"):
        entries = getattr(case, name)
        for key in entries:
            yield dataclasses.replace(case, **{name: {k: v for k, v in entries.items() if k != key}})
    if case.plan.max_parallel is not None:
        yield dataclasses.replace(case, plan=case.plan._replace(max_parallel=None))
    for name in ("cel_delay", "failing_probes"):
        if getattr(case, name):
            yield dataclasses.replace(case, **{name: 0})
    if any(slot.restarts for task in tasks_of(case.plan.pipeline) for slot in task.slots):
        yield dataclasses.replace(case, plan=case.plan._replace(pipeline=with_restarts(case.plan.pipeline, False)))
    for number in range(len(case.cancels)):
        yield dataclasses.replace(case, cancels=case.cancels[:number] + case.cancels[number + 1 :])


def _smaller_pipelines(pipeline: Pipeline) -> Iterator[Pipeline]:
    for kind in ("tasks", "final_tasks"):
        tasks = getattr(pipeline, kind)
        for number, task in enumerate(tasks):
            if not _is_used(pipeline, task) and (kind == "final_tasks" or len(tasks) > 1):
                yield pipeline._replace(**{kind: tasks[:number] + tasks[number + 1 :]})
            for smaller in _smaller_tasks(task):
                yield pipeline._replace(**{kind: (*tasks[:number], smaller, *tasks[number + 1 :])})
    for name in ("timeout", "tasks_timeout", "finally_timeout"):
        if getattr(pipeline, name) is not None:
            yield pipeline._replace(**{name: None})
    used = repr((pipeline.tasks, pipeline.final_tasks, pipeline.results))
    for param in pipeline.params:
        if f"params.{param.name}" not in used:
            yield pipeline._replace(params=tuple(each for each in pipeline.params if each is not param))
    if pipeline.results:
        yield pipeline._replace(results=pipeline.results[1:])


def _is_used(pipeline: Pipeline, task: Task) -> bool:
    others = [each for each in (*pipeline.tasks, *pipeline.final_tasks) if each is not task]
    return f".{task.name}." in repr((others, pipeline.results)) or any(task.name in each.after for each in others)


def _smaller_tasks(task: Task) -> Iterator[Task]:
    plain = (("retries", 0), ("retry_delay", 0.0), ("timeout", None), ("on_error", "stopAndFail"))
    for name, value in (*plain, ("when", ()), ("params", ())):
        if getattr(task, name) != value and not (name == "params" and "$(params." in repr(task.steps)):
            yield task._replace(**{name: value})
    if task.matrix is not None and (task.matrix.fail_fast or task.matrix.completion == "any"):
        yield task._replace(matrix=task.matrix._replace(fail_fast=False, completion="all"))
    said = repr((task.params, task.when, task.matrix))
    sources = tuple(name for name in task.result_sources if f".{name}.results." in said)
    after = tuple(name for name in task.after if name in sources)
    if (sources, after) != (task.result_sources, task.after):
        yield task._replace(result_sources=sources, after=after)
        if sources != task.result_sources:
            yield task._replace(result_sources=sources)
    if task.pipeline is not None:
        for smaller in _smaller_pipelines(task.pipeline):
            yield task._replace(pipeline=smaller)
    if task.sidecars:
        slots = tuple(slot._replace(sidecars=()) for slot in task.slots)
        yield task._replace(sidecars=(), slots=slots)
    yield from _with_smaller_steps(task)


def _with_smaller_steps(task: Task) -> Iterator[Task]:
    if len(task.steps) > 1:
        slots = tuple(slot._replace(containers=slot.containers[:-1]) for slot in task.slots)
        yield task._replace(steps=task.steps[:-1], slots=slots)
    for number, step in enumerate(task.steps):
        plain = (
            *(("command", ("x",)), ("timeout", None), ("on_error", "stopAndFail")),
            *(("when", ()), ("results", ()), ("always", False), ("hold_before", False), ("hold_on_failure", False)),
        )
        for name, value in plain:
            if getattr(step, name) != value:
                smaller = step._replace(**{name: value})  # type: ignore[arg-type]  # names and values fit
                yield task._replace(steps=(*task.steps[:number], smaller, *task.steps[number + 1 :]))
