"""The containers that `monopod logs` reads for a matrix combination, named by its values or its index."""

import pytest

from monopod.runner.follow.follower import OutputLines
from monopod.runner.known_runs.task_selection import NoSuchTaskError, choose
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import REUSED, LeftOut, Matrix, Param, Pipeline, Plan, Slot, Step, Task
from monopod.schemas.run_events import MatrixExpanded

VERSIONS = Matrix((Param("go", ("1.21", "1.22")),), pinned=True)


def plan(matrix):
    slots = tuple(Slot(f"test-{number}", (f"test-{number}-run",)) for number in range(2))
    return Plan(Pipeline("p", tasks=(Task("test", steps=(Step("run"),), slots=slots, matrix=matrix),)), {})


@pytest.mark.parametrize("name", ["test[1]", "test[go=1.22]", "test[go=1.22]/run"])
def test_combination_with_its_own_slot_is_read_only_there(name):
    chosen = choose(plan(VERSIONS), name)
    assert chosen.steps == {"test-1-run": "run"}
    assert chosen.is_single


@pytest.mark.parametrize("name", ["test[1]", "test[go=1.22]"])
def test_combination_without_its_own_slot_is_read_in_all_slots(name):
    chosen = choose(plan(VERSIONS._replace(pinned=False)), name)
    assert chosen.steps == {"test-0-run": "run", "test-1-run": "run"}
    names = InstanceNames()
    names.note(MatrixExpanded(0, "test", ["go=1.21", "go=1.22"]))
    assert chosen.wants(OutputLines("test[go=1.22]", "run", ""), names)
    assert not chosen.wants(OutputLines("test[go=1.21]", "run", ""), names)


def test_unknown_combination():
    with pytest.raises(NoSuchTaskError, match="no matrix combination of Task 'test' is called 'go=9'"):
        choose(plan(VERSIONS), "test[go=9]")


@pytest.mark.parametrize("name", ["build", "build/compile"])
def test_task_that_was_reused_has_no_output(name):
    reused = Task("build", left_out=LeftOut(REUSED, "it succeeded in ci-run-4x2kp", reused=True))
    with pytest.raises(NoSuchTaskError, match="Task 'build' did not run: it succeeded in ci-run-4x2kp"):
        choose(Plan(Pipeline("p", tasks=(reused, Task("test", steps=(Step("run"),)))), {}), name)
