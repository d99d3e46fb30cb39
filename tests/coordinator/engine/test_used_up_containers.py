"""Containers that are not used again because a process still runs in them."""

import pytest

from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.events import Begun, ContainerReady, Exit, ReleaseContainer, Report, RunStep, StepExited
from monopod.schemas import plan
from monopod.schemas.run_events import RunFinished, RunWarning, StepFinished, StepStarted, TaskFinished

MARK = "0123456789abcdef" * 2


class Run:
    """A run of one Task whose containers have all started."""

    def __init__(self, *, slots=1, marks=True, **fields):
        made = tuple(plan.Slot(f"s{number}", (f"c{number}",)) for number in range(slots))
        task = plan.Task("t", task_name="t", steps=(plan.Step("s", command=("true",)),), slots=made, **fields)
        document = {"kind": "PipelineRun", "metadata": {"name": "r"}, "spec": {}}
        self.engine = Engine(plan.Plan(plan.Pipeline("p", tasks=(task,)), document), marks=marks)
        self.commands = []
        self.handle(Begun(1.0, "r", "default", "uid"))
        for number in range(slots):
            self.handle(ContainerReady(1.0, f"c{number}"))

    def handle(self, event):
        self.commands += self.engine.handle(event)

    def exited(self, container, request, **fields):
        self.handle(StepExited(2.0, container, request, Exit(**fields)))

    def ran(self):
        return [(each.container, each.request) for each in self.commands if type(each) is RunStep]

    def reported(self, kind):
        return [each.event for each in self.commands if type(each) is Report and type(each.event) is kind]


def test_marks_are_requested_and_passed_on():
    run = Run(retries=1)
    run.exited("c0", 1, code=1, mark=MARK)
    run.exited("c0", 2, code=0, mark=MARK[::-1])
    assert [each.is_marked for each in run.commands if type(each) is RunStep] == [True, True]
    assert [each.is_marked for each in run.reported(StepStarted)] == [True, True]
    assert [each.mark for each in run.reported(StepFinished)] == [MARK, MARK[::-1]]
    assert run.reported(RunFinished)[0].status == "Succeeded"


@pytest.mark.parametrize("marks", [True, False])
def test_container_with_an_unkillable_process_is_not_reused(marks):
    run = Run(marks=marks, retries=3)
    run.exited("c0", 1, code=1, mark=MARK, left="postgres (process 7)")
    assert run.ran() == [("c0", 1)]
    (warning,) = run.reported(RunWarning)
    assert "postgres (process 7)" in warning.message
    assert [each.will_retry for each in run.reported(TaskFinished)] == [False]
    (ended,) = run.reported(TaskFinished)
    assert '; not retried: container "c0" cannot be used again, because a process in it' in ended.message
    assert run.reported(RunFinished)[0].status == "Failed"
    assert any(type(each) is ReleaseContainer and each.container == "c0" for each in run.commands)


def test_step_with_a_leftover_process_still_succeeds():
    run = Run()
    run.exited("c0", 1, code=0, mark=MARK, left="postgres (process 7)")
    assert run.reported(StepFinished)[0].reason == "Completed"
    assert run.reported(RunFinished)[0].status == "Succeeded"


def test_other_combinations_use_the_other_slot():
    items = plan.Param("item", ("a", "b", "c", "d"))
    run = Run(slots=2, matrix=plan.Matrix(params=(items,)))
    run.exited("c0", 1, code=0, mark=MARK, left="postgres (process 7)")
    for request in (1, 2, 3):
        run.exited("c1", request, code=0, mark=MARK)
    assert run.ran() == [("c0", 1), ("c1", 1), ("c1", 2), ("c1", 3)]
    assert run.reported(RunFinished)[0].status == "Succeeded"


def test_combinations_without_another_slot_fail_with_the_reason():
    items = plan.Param("item", ("a", "b"))
    run = Run(matrix=plan.Matrix(params=(items,)))
    run.exited("c0", 1, code=0, mark=MARK, left="postgres (process 7)")
    assert run.ran() == [("c0", 1)]
    assert "postgres (process 7)" in run.reported(TaskFinished)[-1].message


def test_missing_mark_retires_the_container():
    """The Step may have forged the exit and may still be running."""
    run = Run(retries=3)
    run.exited("c0", 1, code=1)
    assert run.ran() == [("c0", 1)]
    assert run.reported(RunFinished)[0].status == "Failed"


def test_failed_exec_needs_no_mark():
    run = Run(retries=1)
    run.exited("c0", 1, code=126, error="cannot run it", mark="")
    assert run.ran() == [("c0", 1), ("c0", 2)]
