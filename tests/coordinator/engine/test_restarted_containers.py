"""Containers that are killed and restarted: what ran in them is over, and further attempts run in their next life."""

import pytest

from monopod.coordinator.engine.containers import first_request
from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.events import (
    Begun,
    ContainerDied,
    ContainerReady,
    ContainerRestarted,
    Exit,
    ReleaseContainer,
    Report,
    RunStep,
    SetTimer,
    StepExited,
    TimerFired,
)
from monopod.schemas import plan
from monopod.schemas.run_events import ContainerRestarted as RunContainerRestarted
from monopod.schemas.run_events import RunFinished, RunWarning, StepFinished, TaskFinished

MARK = "0123456789abcdef" * 2
SECOND, THIRD = 1_000_001, 2_000_001
"""The numbers of the first requests of a second and a third life."""


class Run:
    """A run of one Task of one Step, and perhaps a Sidecar, in a slot whose containers restart."""

    def __init__(self, *, sidecars=(), restarts=True, **fields):
        slot = plan.Slot("s", ("c",), tuple(sidecars), restarts=restarts)
        served = tuple(plan.Sidecar(plan.Step(name, command=("serve",))) for name in sidecars)
        step = plan.Step("s", command=("true",))
        task = plan.Task("t", task_name="t", steps=(step,), sidecars=served, slots=(slot,), **fields)
        document = {"kind": "PipelineRun", "metadata": {"name": "r"}, "spec": {}}
        self.engine = Engine(plan.Plan(plan.Pipeline("p", tasks=(task,)), document, container_start_timeout=60.0))
        self.now = 1.0
        self.commands = []
        self.handle(Begun(1.0, "r", "default", "uid"))
        for name in ("c", *sidecars):
            self.handle(ContainerReady(1.0, name))

    def handle(self, event):
        self.commands += self.engine.handle(event)

    def die(self, container="c", **fields):
        self.handle(ContainerDied(self.now, container, **{"will_restart": True, **fields}))

    def restart(self, life, container="c"):
        self.handle(ContainerRestarted(self.now, container, life, MARK))

    def exited(self, request, container="c", **fields):
        self.handle(StepExited(self.now, container, request, Exit(**fields)))

    def ran(self, container="c"):
        return [each.request for each in self.commands if type(each) is RunStep and each.container == container]

    def reported(self, kind):
        return [each.event for each in self.commands if type(each) is Report and type(each.event) is kind]

    def warnings(self):
        return [each.message for each in self.reported(RunWarning)]

    def timeout(self):
        """Return the latest time for which the start of the container is awaited."""
        return [each.at for each in self.commands if type(each) is SetTimer and each.timer == "container:c"][-1]


def test_the_numbers_of_a_life():
    assert [first_request(life) for life in (1, 2, 3)] == [1, SECOND, THIRD]


def test_a_step_whose_container_is_killed_is_retried_in_the_next_life():
    run = Run(retries=1)
    run.die()
    assert run.ran() == [1]
    (step,) = run.reported(StepFinished)
    assert (step.exit_code, step.reason) == (137, "Error")
    assert [each.will_retry for each in run.reported(TaskFinished)] == [True]
    assert run.warnings() == ['container "c" was killed; waiting for its restart']
    run.restart(2)
    assert run.reported(RunContainerRestarted) == [RunContainerRestarted(1.0, "c", 2)]
    assert run.ran() == [1, SECOND]
    run.exited(SECOND, code=0)
    assert run.reported(RunFinished)[0].status == "Succeeded"


def test_an_end_of_the_life_before_means_nothing_any_more():
    run = Run(retries=1)
    run.die()
    run.restart(2)
    run.exited(1, code=0)
    assert run.ran() == [1, SECOND]
    assert len(run.reported(StepFinished)) == 1


def test_each_back_off_is_waited_for_in_addition():
    """Kubernetes: at once, then after 10, 20, 40 … 300 seconds."""
    run = Run(retries=9)
    waited = []
    for life in range(2, 10):
        run.die()
        waited.append(run.timeout() - run.now - 60)
        run.restart(life)
    assert waited == [0, 10, 20, 40, 80, 160, 300, 300]
    assert run.warnings()[1] == 'container "c" was killed; waiting for its restart (back-off of 10 s or more)'


def test_a_life_that_ends_at_once_is_waited_for_again():
    run = Run(retries=1)
    run.die()
    run.now = 50.0
    run.die()
    assert run.timeout() == 50 + 60 + 10
    assert run.reported(TaskFinished)[-1].attempt == 0


def test_a_container_that_does_not_come_again_fails_the_task_with_the_reason():
    run = Run(retries=1)
    run.die()
    run.handle(TimerFired(run.timeout(), "container:c"))
    assert run.reported(TaskFinished)[-1].message == ('container "c" was not restarted within 60 seconds')
    assert run.reported(RunFinished)[0].status == "Failed"


def test_without_restart_rules_the_failure_says_why_there_is_no_retry():
    run = Run(retries=1, restarts=False)
    run.die(will_restart=False)
    (ended,) = run.reported(TaskFinished)
    assert not ended.will_retry
    assert ended.message == (
        '"step-s" exited with code 137: Error; not retried: container "c" was killed and has no restart rules, '
        "which need Kubernetes 1.35 (--kube-version 1.35)"
    )


def test_a_killed_sidecar_does_not_run_again_in_the_same_attempt_but_in_the_next():
    run = Run(sidecars=("db",), retries=1)
    run.handle(TimerFired(2.0, "sidecar:db"))
    run.die("db")
    run.restart(2, "db")
    assert run.ran("db") == [1]
    run.exited(1, code=1)
    assert run.ran("db") == [1, SECOND]


def test_a_container_that_ends_with_what_cannot_be_killed_is_used_again():
    run = Run(retries=1)
    run.exited(1, code=1, left="postgres (process 7)", restart=True)
    assert run.ran() == [1]
    assert run.reported(RunWarning)[-1].message == 'container "c" was killed; waiting for its restart'
    run.die()
    run.restart(2)
    run.exited(SECOND, code=0)
    assert run.reported(RunFinished)[0].status == "Succeeded"


def test_a_container_whose_restart_was_expected_may_be_gone_for_good():
    run = Run(retries=1)
    run.exited(1, code=1, left="postgres (process 7)", restart=True)
    assert not run.reported(RunFinished)
    run.die(will_restart=False)  # kubelet ends the Pod
    assert run.reported(TaskFinished)[-1].message == 'a Step cannot run: container "c" was killed'
    assert run.reported(RunFinished)[0].status == "Failed"


@pytest.mark.parametrize("code", [137, 77])
def test_a_released_container_is_not_restarted_for_the_exit_code_of_its_step(code):
    run = Run()
    run.exited(1, code=code)
    assert [each.code for each in run.commands if type(each) is ReleaseContainer] == [1]
    without = Run(restarts=False)
    without.exited(1, code=code)
    assert [each.code for each in without.commands if type(each) is ReleaseContainer] == [code]


def test_what_happens_to_a_released_container_means_nothing():
    run = Run(retries=1)
    run.exited(1, code=0)
    before = len(run.commands)
    run.die()
    run.restart(2)
    assert len(run.commands) == before
