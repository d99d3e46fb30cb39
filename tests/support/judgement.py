"""Problems of the engine in a case: differences from the oracle, and broken rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from observed import differences, observe, run
from oracle import expected
from random_pipelines import Case
from reduction import reduced
from simulation import Simulation, containers_of, reused_containers_of

from monopod.coordinator.engine.engine import Engine
from monopod.schemas.plan import Pipeline, decode, encode
from monopod.schemas.run_events import (
    MatrixExpanded,
    SidecarFinished,
    SidecarStarted,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)

REPLAYED = 20  # each one of so many is replayed
BREAKS_OFF = "the run breaks off: "


def problems(case: Case) -> list[str]:
    """Return the problems: the differences and the broken rules, or the exception that ended the run."""
    wanted = expected(case.plan, case.world())
    try:
        simulation = run(case)
    except AssertionError as error:
        return [f"{BREAKS_OFF}{error}"]
    found = differences(wanted, observe(simulation))
    checks: tuple[Callable[[Case, Simulation], str], ...]
    checks = (wrong_order, wrong_releases, wrong_story, wrong_titles, run_twice)
    if case.seed % REPLAYED == 0:
        checks += (wrong_replay,)
    return found + [problem for check in checks if (problem := check(case, simulation))]


def reduced_to_its_problem(case: Case) -> Case:
    """Return a minimal case with a difference, or with the same exception."""
    first = problems(case)[0]

    def fails(smaller: Case) -> bool:
        try:
            found = problems(smaller)
        except (KeyError, ValueError, AssertionError, IndexError):  # reduced to something that is no Pipeline
            return False
        return any(each == first or not (each + first).count(BREAKS_OFF) for each in found)

    return reduced(case, fails)


def wrong_order(case: Case, simulation: Simulation) -> str:
    """Tasks start after their dependencies; `finally` starts after all Tasks."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for event in simulation.reported:
        if isinstance(event, TaskStarted):
            starts.setdefault(event.task, event.at)
        elif isinstance(event, TaskFinished):
            ends[event.task] = event.at
    return next(_started_too_early(case.plan.pipeline, "", starts, ends), "")


def _started_too_early(
    pipeline: Pipeline, path: str, starts: dict[str, float], ends: dict[str, float]
) -> Iterator[str]:
    for task in (*pipeline.tasks, *pipeline.final_tasks):
        before = task.after if task in pipeline.tasks else tuple(each.name for each in pipeline.tasks)
        for name in before:
            start = min((at for key, at in starts.items() if _within(key, path + task.name)), default=None)
            end = max((at for key, at in ends.items() if _within(key, path + name)), default=None)
            if start is not None and end is not None and start < end:
                yield f"{path}{task.name} started before {name} had ended"
        if task.pipeline is not None:
            yield from _started_too_early(task.pipeline, f"{path}{task.name}/", starts, ends)


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}/")


def wrong_releases(case: Case, simulation: Simulation) -> str:
    """Every container is released (the simulation checks: once); a run failed if and only if a container did."""
    if simulation.released.keys() != set(containers_of(case.plan.pipeline)):
        return f"released: {sorted(simulation.released)}"
    failed = simulation.condition["status"] == "False"
    if any(simulation.released.values()) != failed or simulation.exit_code != failed:
        return f"released {simulation.released}, exit code {simulation.exit_code}, condition {simulation.condition}"
    return ""


def wrong_story(case: Case, simulation: Simulation) -> str:
    """The events of a run are consistent: names precede their combinations, all have one end, reasons have messages."""
    return next(_contradictions(simulation), "")


def _contradictions(simulation: Simulation) -> Iterator[str]:
    sizes: dict[str, int] = {}
    running: set[tuple[str, int | None, int]] = set()
    ended: Counter[tuple[str, int | None]] = Counter()
    for event in simulation.reported:
        index = event.index if "index" in event._fields else None  # type: ignore[union-attr]
        if index is not None and index >= sizes.get(getattr(event, "task", ""), 0):
            yield f"{event} comes before its combination has a name"
        if isinstance(event, MatrixExpanded):
            sizes[event.task] = len(event.names)
        elif isinstance(event, TaskStarted):
            running.add((event.task, event.index, event.attempt))
        elif isinstance(event, TaskFinished):
            running.discard((event.task, event.index, event.attempt))
            ended[event.task, event.index] += not event.will_retry
        elif (
            isinstance(event, SidecarStarted | SidecarFinished)
            and (event.task, event.index, event.attempt) not in running
        ):
            yield f"{event} is of no attempt that runs"
        elif isinstance(event, TaskSkipped) and event.reason in _EXPLAINED and not event.message:
            yield f"{event} does not say what decided it"
    yield from _stray_sidecars(simulation)
    yield from (f"{key} ended {count} times" for key, count in ended.items() if count != 1)
    for task, size in sizes.items():
        if any(not ended[task, index] for index in range(size)):
            yield f"not every combination of {task} ended"


def _stray_sidecars(simulation: Simulation) -> Iterator[str]:
    """A Sidecar starts once in an attempt, and only a started Sidecar ends."""
    started: set[tuple[str, int | None, int, str]] = set()
    for event in simulation.reported:
        if isinstance(event, SidecarStarted | SidecarFinished):
            key = event.task, event.index, event.attempt, event.sidecar
            if (key in started) is isinstance(event, SidecarStarted):
                yield f"{event} is not one start before one end"
            started ^= {key}


def wrong_titles(case: Case, simulation: Simulation) -> str:
    """What a container writes first for a request names its Step or Sidecar, if the container may run another."""
    starts = [event for event in simulation.reported if isinstance(event, StepStarted | SidecarStarted)]
    reused = set(reused_containers_of(case.plan.pipeline))
    for (_, request), event in zip(simulation.requests(), starts, strict=True):
        wanted = ""
        if request.container in reused:
            name = event.step if isinstance(event, StepStarted) else event.sidecar
            combination = "" if event.index is None else f"[{event.index}]"
            attempt = f" (attempt {event.attempt + 1})" if event.attempt else ""
            empty_line = "\n" if request.request > 1 else ""
            wanted = f"{empty_line}==> {event.task}{combination}/{name}{attempt} <==\n"
        if (request.container, request.title, event.title) != (event.container, wanted, wanted):
            return f"the title of {event} is {request.title!r}"
    return ""


_EXPLAINED = ("When Expressions evaluated to false", "Parent Tasks were skipped", "Results were missing")


def run_twice(case: Case, simulation: Simulation) -> str:
    """No Step runs twice in one attempt, and no request is run in two lives of a container."""
    started = [event[1:5] for event in simulation.reported if isinstance(event, StepStarted)]
    requests = [(each.container, each.request) for _, each in simulation.requests()]
    twice = [each for made in (started, requests) for each, count in Counter(made).items() if count > 1]
    return f"run twice: {twice}" if twice else ""


def wrong_replay(case: Case, simulation: Simulation) -> str:
    """The recorded events give the same commands in an engine with the decoded Plan."""
    engine = Engine(decode(encode(case.plan)))
    again = [(event.at, command) for event in simulation.events for command in engine.handle(event)]
    return "" if again == simulation.commands else "a replay gives other commands"
