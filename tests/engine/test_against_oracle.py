"""The engine against an independent oracle, on random pipelines in simulated time.

In the normal suite 10,000 pipelines, in parts of 500. More on demand, and from other seeds:

    MONOPOD_RANDOM_PIPELINES=100000 MONOPOD_RANDOM_SEED=1000000 pytest -n auto tests/engine/test_against_oracle.py

A failure names its seed and prints a reduced case; `random_case(seed)` (tests/support) makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from observed import differences, observe, run
from oracle import expected
from random_pipelines import Case, random_case
from reduction import described, reduced
from simulation import Simulation, containers_of

from monopod.entrypoint.engine import Engine
from monopod.schemas.plan import Pipeline, decode, encode
from monopod.schemas.run_events import TaskFinished, TaskStarted

COUNT = int(os.environ.get("MONOPOD_RANDOM_PIPELINES", "10000"))
FIRST = int(os.environ.get("MONOPOD_RANDOM_SEED", "0"))
PART = 500
REPLAYED = 20  # each one of so many is replayed


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, PART))
def test_engine_and_oracle_agree(first: int):
    for seed in range(first, min(first + PART, FIRST + COUNT)):
        case = random_case(seed)
        try:
            wrong = problems(case)
        except Exception as error:
            error.add_note(f"seed {seed}: {described(case)}")
            raise
        if wrong:
            smaller = reduced(case, lambda each: bool(_problems_or_none(each)))
            pytest.fail("\n".join([f"seed {seed}: {described(smaller)}", *problems(smaller)]))


def _problems_or_none(case: Case) -> list[str]:
    try:
        return problems(case)
    except (KeyError, ValueError, AssertionError, IndexError):  # reduced to something that is no Pipeline
        return []


def problems(case: Case) -> list[str]:
    """What is wrong with how the engine runs a case: where it differs from the oracle, and which rules it breaks."""
    simulation = run(case)
    found = differences(expected(case.plan, case.world()), observe(simulation))
    checks: list[Callable[[Case, Simulation], str]] = [wrong_order, wrong_releases]
    if case.seed % REPLAYED == 0:
        checks.append(wrong_replay)
    return found + [problem for check in checks if (problem := check(case, simulation))]


def wrong_order(case: Case, simulation: Simulation) -> str:
    """Nothing starts before what it follows has ended; `finally` starts after all Tasks."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for event in simulation.told:
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
    """Every container is released (the simulation sees to once); a run failed if and only if one of them did."""
    if simulation.released.keys() != set(containers_of(case.plan.pipeline)):
        return f"released: {sorted(simulation.released)}"
    failed = simulation.condition["status"] == "False"
    if any(simulation.released.values()) != failed or simulation.exit_code != failed:
        return f"released {simulation.released}, exit code {simulation.exit_code}, condition {simulation.condition}"
    return ""


def wrong_replay(case: Case, simulation: Simulation) -> str:
    """The recorded events give the same commands to an engine that got the Plan by way of its encoding."""
    engine = Engine(decode(encode(case.plan)))
    again = [(event.at, command) for event in simulation.events for command in engine.handle(event)]
    return "" if again == simulation.commands else "a replay gives other commands"


def test_a_case_follows_from_its_seed_alone():
    assert random_case(7) == random_case(7)


def test_a_case_is_reduced_to_what_matters():
    case = next(case for case in map(random_case, range(100)) if len(case.plan.pipeline.tasks) > 5)
    smaller = reduced(case, lambda each: len(each.plan.pipeline.tasks) > 1)
    assert len(smaller.plan.pipeline.tasks) == 2
    assert smaller.behaviours == {}
