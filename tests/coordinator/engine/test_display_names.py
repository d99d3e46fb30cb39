"""The displayName of childReferences: Tekton docs/matrix.md, "DisplayName", a case for each row."""

from __future__ import annotations

import pytest
from simulation import plan_of, simulate, task

from monopod.schemas.plan import Matrix, MatrixInclude, Param, Pipeline

BROWSERS = Param("browser", ("chrome", "safari"))
LINUX = MatrixInclude("On $(params.os)", (Param("os", "linux"),))


def names(*tasks, params: tuple[Param, ...] = ()) -> list[str | None]:
    plan = plan_of(*tasks)
    run = simulate(plan._replace(pipeline=plan.pipeline._replace(params=params)))
    return [each.get("displayName") for each in run.status["childReferences"]]


NAMED = {
    "nothing": ({}, [None]),
    "a text": ({"display_name": "Build"}, ["Build"]),
    "a param of the Pipeline": ({"display_name": "Build $(params.what)"}, ["Build all"]),
    "a param of the Task": ({"display_name": "$(params.own)", "params": (Param("own", "mine"),)}, ["mine"]),
    "a param of both": ({"display_name": "$(params.what)", "params": (Param("what", "mine"),)}, ["all"]),
    "params of combinations": (
        {"display_name": "$(params.what) with $(params.browser)", "matrix": Matrix((BROWSERS,))},
        ["all with chrome", "all with safari"],
    ),
    "a combination's param of the name of an array of the Pipeline": (
        {"display_name": "$(params.list)", "matrix": Matrix((Param("list", "$(params.list[*])"),))},
        ["a", "b"],
    ),
    "an entry of include": (
        {"display_name": "lost", "matrix": Matrix((), (LINUX, MatrixInclude("", (Param("os", "mac"),))))},
        ["On linux", "lost"],
    ),
    "an entry that extends some combinations": (
        {
            "display_name": "$(params.browser)",
            "matrix": Matrix((BROWSERS,), (MatrixInclude("Ours", (Param("browser", "safari"), Param("x", "1"))),)),
        },
        ["chrome", "Ours"],
    ),
    "several entries": (
        {
            "matrix": Matrix(
                (BROWSERS,), (LINUX, MatrixInclude("with $(params.browser)", (Param("browser", "chrome"),)))
            )
        },
        ["On linux with chrome", "On linux"],
    ),
    "an entry whose value is a param": (
        {"matrix": Matrix((), (MatrixInclude("$(params.x)!", (Param("x", "$(params.what)"),)),))},
        ["all!"],
    ),
    "an array": ({"display_name": "$(params.list)"}, ["$(params.list)"]),
}


@pytest.mark.parametrize("way", NAMED)
def test_display_name_of_an_instance(way):
    fields, expected = NAMED[way]
    params = (Param("what", "all"), Param("list", ("a", "b")))
    assert names(task("a", slot_count=2 if "matrix" in fields else 1, **fields), params=params) == expected


def test_display_name_of_a_nested_pipeline():
    inner = Pipeline("inner", params=(Param("own", ""),), tasks=(task("b"),))
    outer = task("a", pipeline=inner, display_name="$(params.own)", params=(Param("own", "mine"),))
    assert names(outer) == ["mine"]
