"""The engine's result for a case in the oracle's form, and the differences between the two."""

from __future__ import annotations

import re
from random import Random
from typing import Any, cast

from oracle import Expected, expected
from random_pipelines import Case
from simulation import Simulation, cancel, death, simulate, start_failure

from monopod.coordinator.engine.events import Verdict
from monopod.schemas.run_events import TaskFinished, TaskStarted

RESTARTED = 10
"""In each one of so many cases the coordinator is killed, and started again."""
KILLED = 0.1
"""How likely it is then that it is killed before the next event."""


def run(case: Case) -> Simulation:
    """Run a case on the engine; in every tenth case the coordinator is killed and restarted a few times."""
    world = case.world()
    random = Random(case.seed)
    often = KILLED if case.seed % RESTARTED == 0 else 0
    return simulate(
        case.plan,
        lambda request: world.behave(request.container, request.request),
        ready=lambda container: world.ready.get(container, 0.0),
        is_killed=lambda: random.random() < often,
        cel_delay=world.cel_delay,
        failing_probes=world.failing_probes,
        restart_delay=world.restart_delay,
        release=lambda container, number: cast("tuple[float, Verdict]", world.release(container, number)),
        extra=[
            *(cancel(*each) for each in world.cancels),
            *(death(at, name) for name, at in world.deaths.items()),
            *(start_failure(at, name) for name, at in world.start_failures.items()),
        ],
    )


def observe(simulation: Simulation) -> Expected:
    """Return the commands and the finished document in the oracle's form."""
    seen = Expected(finished_at=simulation.finished_at)
    _read_pipeline(seen, "", simulation.status)
    for at, request in simulation.requests():
        seen.requests.append((at, request.container, request.request, request.arguments))
    for event in simulation.reported:
        if isinstance(event, TaskStarted):
            seen.attempts.setdefault((event.task, event.index), []).append((event.at, -1.0, ""))
        if isinstance(event, TaskFinished):
            attempts = seen.attempts.get((event.task, event.index))
            if attempts and attempts[-1][1] < 0:
                attempts[-1] = (attempts[-1][0], event.at, event.reason)
    return seen


def _read_pipeline(seen: Expected, path: str, status: dict[str, Any]) -> None:
    prefix = f"{path}/" if path else ""
    condition = status["conditions"][0]
    seen.conditions[path] = (condition["reason"], _without_details(condition["message"]))
    seen.results[path] = {
        each["name"]: tuple(each["value"]) if isinstance(each["value"], list) else each["value"]
        for each in status.get("results", ())
    }
    for each in status.get("skippedTasks", ()):
        seen.skipped[prefix + each["name"]] = each["reason"]
    indexes: dict[str, int] = {}
    for name, run in status.get("taskRuns", {}).items():
        task = run["pipelineTaskName"]
        index = indexes[task] = indexes.get(task, -1) + 1
        key = (prefix + task, index if name.endswith(f"-{task}-{index}") else None)
        seen.reasons[key] = run["status"]["conditions"][0]["reason"]
        attempts = [*run["status"].get("retriesStatus", ()), run["status"]]
        for number, attempt in enumerate(attempts):
            if steps := attempt.get("steps"):
                seen.steps[(*key, number)] = [
                    (step["name"], step["terminationReason"], step["terminated"]["exitCode"]) for step in steps
                ]
    for run in status.get("pipelineRuns", {}).values():
        _read_pipeline(seen, prefix + run["pipelineTaskName"], run["status"])


def _without_details(message: str) -> str:
    """Remove the texts that the oracle does not know: Go's durations, and messages about invalid values."""
    details = r'(?<=to finish within) ".*"$|(?<=Failed Validation: \d) \(.*\)$|: the referenced results .*'
    return re.sub(details, "", message)


def differences(wanted: Expected, seen: Expected) -> list[str]:
    """Describe the differences."""
    found = []
    for name in ("conditions", "results", "skipped", "reasons", "attempts", "steps"):
        left, right = getattr(wanted, name), getattr(seen, name)
        different = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
        found += [f"{name}: {key}: oracle {left.get(key)}, engine {right.get(key)}" for key in different]
    alone = [each for each in wanted.requests if each not in seen.requests]
    others = [each for each in seen.requests if each not in wanted.requests]
    if alone or others or len(wanted.requests) != len(seen.requests):
        found.append(f"requests: only in the oracle {alone}, only in the engine {others}")
    if wanted.finished_at != seen.finished_at:
        found.append(f"finished_at: oracle {wanted.finished_at}, engine {seen.finished_at}")
    return found


def difference(case: Case) -> list[str]:
    """Return the differences between oracle and engine for a case."""
    return differences(expected(case.plan, case.world()), observe(run(case)))
