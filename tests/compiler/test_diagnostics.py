from __future__ import annotations

import pytest

from monopod.compiler.diagnostics import Position, Problem, Problems, did_you_mean


def test_problem_is_one_line_with_its_position():
    assert str(Problem(Position("a.yaml", 3, 7), "spec: no", "x")) == "a.yaml:3:7: spec: no"
    assert str(Problem(Position("a.yaml"), "no such file", "x")) == "a.yaml: no such file"
    assert str(Problem(Position("a.yaml", 3, 7), "spec: no", "x", "warning")) == "a.yaml:3:7: warning: spec: no"
    assert str(Problem(None, "no such param", "x")) == "no such param"


def test_problems_are_sorted_by_position_without_duplicates():
    first = Problem(None, "z", "x")
    second = Problem(Position("a", 2, 9), "z", "x")
    third = Problem(Position("a", 10, 1), "a", "x")
    fourth = Problem(Position("a", 10, 1), "b", "x")
    fifth = Problem(Position("b", 1, 1), "a", "x")
    problems = Problems([fifth, third, second, first, fourth, third])
    assert problems.problems == (first, second, third, fourth, fifth)
    assert str(problems) == "z\na:2:9: z\na:10:1: a\na:10:1: b\nb:1:1: a"


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("bild", ["build", "test"], " (did you mean 'build'?)"),
        ("runafter", ["runAfter", "retries"], " (did you mean 'runAfter'?)"),
        ("resources", ["results", "computeResources"], " (did you mean 'computeResources'?)"),
        ("buil", ["build-all", "build"], " (did you mean 'build'?)"),
        ("xyz", ["build", "test"], ""),
        ("x", [], ""),
        ("", ["a"], ""),
    ],
)
def test_did_you_mean(name, candidates, expected):
    assert did_you_mean(name, candidates) == expected


def test_did_you_mean_does_not_depend_on_the_order_of_the_candidates():
    names = ["task-1", "task-2", "task-3", "Task-1"]
    assert did_you_mean("task-", names) == did_you_mean("task-", reversed(names))
