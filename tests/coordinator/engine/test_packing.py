"""Steps that share containers: the same run as without, in fewer containers."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from judgement import problems
from packed_pipelines import packed
from random_pipelines import DEFAULT, Case, random_case, with_restarts
from simulation import Behaviour, Simulation, containers_of, death, plan_of, simulate, task, tasks_of

from monopod.coordinator.engine.events import RunStep
from monopod.schemas.plan import Pipeline, Plan, Step
from monopod.schemas.run_events import StepStarted

ONE, TWO, THREE = (Step(name, script="true") for name in ("one", "two", "three"))
SEEDS = range(150)


def with_names(pipeline: Pipeline) -> Pipeline:
    """Return the Pipeline with each Step's name in its environment, by which a test knows the Step of a request."""

    def named(step: Step) -> Step:
        return step._replace(environment=(("STEP", step.name),))

    def changed(each: Any) -> Any:
        inner = each.pipeline and with_names(each.pipeline)
        return each._replace(steps=tuple(map(named, each.steps)), pipeline=inner)

    tasks, final = (tuple(map(changed, each)) for each in (pipeline.tasks, pipeline.final_tasks))
    return pipeline._replace(tasks=tasks, final_tasks=final)


def own_container(command: RunStep) -> str:
    """Return the container in which a Step would run if it shared none."""
    name = dict(command.environment).get("STEP")
    return f"{command.slot}-{name}" if name else command.container


def simulated(case: Case, plan: Plan, **options: Any) -> Simulation:
    runs: Counter[str] = Counter()

    def behave(command: RunStep) -> Behaviour:
        name = own_container(command)
        runs[name] += 1
        return replace(case.behaviours.get((name, runs[name]), DEFAULT), retires=False)

    world = case.world()
    return simulate(
        plan,
        behave,
        extra=[(at, event) for at, mode in world.cancels for _, event in [_cancel(at, mode)]],
        cel_delay=world.cel_delay,
        failing_probes=world.failing_probes,
        **options,
    )


def _cancel(at: float, mode: str) -> Any:
    from simulation import cancel  # noqa: PLC0415

    return cancel(at, mode)


def what_was_reported(simulation: Simulation) -> list[Any]:
    """Return the events without what depends on the containers, and without the document, which repeats the others."""
    events = []
    for event in simulation.reported:
        fields = event._asdict()
        fields.pop("container", None)
        fields.pop("document", None)
        fields.pop("title", None)
        if 'container "' in fields.get("message", ""):
            del fields["message"]
        events.append((type(event).__name__, fields))
    return events


def starts(simulation: Simulation) -> dict[Any, float]:
    return {event[1:5]: event.at for event in simulation.reported if isinstance(event, StepStarted)}


@pytest.mark.parametrize("images", [1, 2])
def test_a_run_is_the_same_moment_for_moment(images):
    fewer = 0
    for seed in SEEDS:
        case = random_case(seed, packs=False)
        pipeline = with_names(with_restarts(case.plan.pipeline, False))
        plan = case.plan._replace(pipeline=pipeline)
        together = plan._replace(pipeline=packed(pipeline, images))
        fewer += len(set(containers_of(together.pipeline))) < len(set(containers_of(pipeline)))
        expected, actual = (simulated(case, each) for each in (plan, together))
        assert what_was_reported(actual) == what_was_reported(expected), seed
        assert actual.condition == expected.condition or 'container "' in expected.condition["message"], seed
        assert any(actual.released.values()) == any(expected.released.values()), seed
    assert fewer > len(SEEDS) / 4


def test_no_step_starts_later_if_containers_start_one_after_another():
    for seed in SEEDS:
        case = random_case(seed, packs=False)
        if any(each.timeout for each in tasks_of(case.plan.pipeline)) or case.cancels or case.plan.pipeline.timeout:
            continue
        pipeline = with_names(with_restarts(case.plan.pipeline, False))
        plan = case.plan._replace(pipeline=pipeline, container_start_timeout=10**6, max_parallel=None)
        together = plan._replace(pipeline=packed(pipeline))
        order = list(containers_of(pipeline))
        kept = set(containers_of(together.pipeline))
        comes = {name: number * 0.3 for number, name in enumerate(order)}
        comes_packed = {name: number * 0.3 for number, name in enumerate(name for name in order if name in kept)}
        if any(step.timeout for each in tasks_of(pipeline) for step in each.steps):
            continue
        if any(each.matrix is not None and (each.matrix.fail_fast or each.matrix.completion == "any")
               for each in tasks_of(pipeline)):  # fmt: skip
            continue
        expected = starts(simulated(case, plan, ready=comes.__getitem__))
        actual = starts(simulated(case, together, ready=comes_packed.__getitem__))
        for key in actual.keys() & expected.keys():
            assert actual[key] <= expected[key] + 1e-6, (seed, key)


def test_the_oracle_agrees_about_shared_containers():
    found = {seed: problems(case) for seed in range(200) if (case := random_case(seed)).is_packed}
    assert len(found) > 20
    assert {seed: each for seed, each in found.items() if each} == {}


def test_a_chain_of_tasks_runs_in_the_containers_of_one():
    names = [f"t{number}" for number in range(20)]
    tasks = [task(names[0], steps=(ONE, TWO))]
    tasks += (task(name, steps=(ONE, TWO), after=(before,)) for before, name in itertools.pairwise(names))
    simulation = simulate(plan := plan_of(*tasks), ready=lambda _: 0.0)
    plan = plan._replace(pipeline=packed(plan.pipeline))
    together = simulate(plan)
    assert list(containers_of(plan.pipeline)) == ["t0-one"]
    assert together.finished_at == simulation.finished_at == 40
    assert together.released == {"t0-one": 0}


def test_what_runs_in_spite_of_a_failure_shares_no_container_with_what_may_fail():
    plan = plan_of(
        task("a", on_error="continue"), task("b", after=("a",)), task("c", after=("b",)), final_tasks=(task("z"),)
    )
    plan = plan._replace(pipeline=packed(plan.pipeline))
    slots = {each.name: each.slots[0] for each in tasks_of(plan.pipeline)}
    assert {name: slot.containers for name, slot in slots.items()} == {
        "a": ("a-run",), "b": ("b-run",), "c": ("b-run",), "z": ("z-run",),
    }  # fmt: skip
    killed = simulate(plan, extra=[death(0.5, "a-run"), death(1.5, "b-run")])
    assert list(killed.started()) == ["a-run", "b-run", "z-run"]


def test_tasks_that_share_a_container_share_their_volumes_one_after_the_other():
    plan = plan_of(task("a", steps=(ONE, TWO)), task("b", steps=(ONE, TWO, THREE), after=("a",)))
    plan = plan._replace(pipeline=packed(plan.pipeline))
    requests = [command for _, command in simulate(plan).requests()]
    assert [(each.slot, each.fresh, each.emptied) for each in requests] == [
        ("a", True, ("/workspace",)), ("a", False, ()),
        ("b", True, ("/workspace",)), ("b", False, ()), ("b", False, ()),
    ]  # fmt: skip
    assert {each.cleaned for each in requests} == {("/tmp", "/dev/shm")}
    assert [each.title for each in requests][:2] == ["==> a/one <==\n", "\n==> a/two <==\n"]


def test_shared_memory_of_the_pod_is_cleaned_only_while_nothing_else_runs():
    plan = plan_of(task("a", steps=(ONE, TWO)), task("b", steps=(ONE, TWO)))
    plan = plan._replace(pipeline=packed(plan.pipeline))
    requests = [command for _, command in simulate(plan).requests()]
    assert [each.cleaned for each in requests][1:] == [("/tmp",)] * 3
