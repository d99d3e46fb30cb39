"""Order and cycles of random Pipelines, compared to reachability."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.places import OptionPlace
from monopod.compiler.tasks.ordering import Order, order_problems, order_tasks, references_of_task
from monopod.schemas.tekton.pipelines import PipelineTask

MAX_TASKS = 7
EDGES = st.sets(st.tuples(st.integers(0, MAX_TASKS - 1), st.integers(0, MAX_TASKS - 1), st.booleans()), max_size=12)


def pipeline_task(number: int, edges: set[tuple[int, int, bool]]) -> PipelineTask:
    """Return Task `number`; edges are (before, after, whether by a Result or by runAfter)."""
    before = sorted(edge for edge in edges if edge[1] == number)
    return PipelineTask.model_validate(
        {
            "name": f"t{number}",
            "taskRef": {"name": "t"},
            "runAfter": [f"t{first}" for first, _, by_result in before if not by_result],
            "params": [
                {"name": f"p{first}", "value": f"a $(tasks.t{first}.results.r[0]) $(date)"}
                for first, _, by_result in before
                if by_result
            ],
        }
    )


def orders_of(tasks: Sequence[PipelineTask]) -> dict[str, Order]:
    """Return the order of Tasks."""
    return order_tasks(tasks, {task.name: references_of_task(task) for task in tasks})


def reachable(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the transitive closure of `edges`."""
    result = set(edges)
    for middle in range(MAX_TASKS):
        result |= {(a, b) for a in range(MAX_TASKS) for b in range(MAX_TASKS) if {(a, middle), (middle, b)} <= result}
    return result


@given(EDGES)
def test_order_and_cycles_agree_with_reachability(edges):
    tasks = [(pipeline_task(number, edges), OptionPlace(f"t{number}")) for number in range(MAX_TASKS)]
    orders = orders_of([task for task, _ in tasks])
    problems = list(order_problems(tasks, orders))
    for number in range(MAX_TASKS):
        order = orders[f"t{number}"]
        assert set(order.after) == {f"t{first}" for first, second, _ in edges if second == number}
        assert set(order.sources) == {
            f"t{first}" for first, second, by_result in edges if second == number and by_result
        }
        assert len(order.after) == len(set(order.after))
    closure = reachable({edge[:2] for edge in edges})
    knots = {frozenset(b for b in range(MAX_TASKS) if {(a, b), (b, a)} <= closure) for a in range(MAX_TASKS)} - {
        frozenset()
    }
    assert len(problems) == len(knots)
    for problem in problems:
        circle = [int(name.removeprefix("t")) for name in problem.message.rpartition(": ")[2].split(" → ")]
        assert circle[0] == circle[-1]
        assert all((first, second) in {edge[:2] for edge in edges} for first, second in itertools.pairwise(circle))
        assert len(set(circle)) == len(circle) - 1


def test_only_the_first_of_many_unknown_names_have_suggestions():
    unknown = [f"biuld-{number}" for number in range(150)]
    task = PipelineTask.model_validate({"name": "t", "taskRef": {"name": "x"}, "runAfter": unknown})
    build = PipelineTask.model_validate({"name": "build", "taskRef": {"name": "x"}})
    tasks = [(task, OptionPlace("t")), (build, OptionPlace("b"))]
    problems = list(order_problems(tasks, orders_of([task, build])))
    assert [name in problem.message for name, problem in zip(unknown, problems, strict=True)] == [True] * 150
    assert ["did you mean 'build'" in problem.message for problem in problems] == [True] * 100 + [False] * 50
