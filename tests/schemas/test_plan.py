"""The walk over a Plan: the path and the dependencies of each PipelineTask."""

from monopod.schemas.plan import Pipeline, Task, runnable_tasks, walk

INNER = Pipeline("inner", tasks=(Task("s"), Task("t", after=("s",))), final_tasks=(Task("f"),))
OUTER = Pipeline(
    "outer", tasks=(Task("a"), Task("p", pipeline=INNER, after=("a",))), final_tasks=(Task("q", pipeline=INNER),)
)


def test_tasks_have_paths_and_dependencies():
    assert [(each.path, each.after, each.is_final) for each in walk(OUTER)] == [
        ("a", (), False),
        ("p", ("a",), False),
        ("p/s", ("a",), False),
        ("p/t", ("a", "p/s"), False),
        ("p/f", ("a",), True),
        ("q", (), True),
        ("q/s", (), True),
        ("q/t", ("q/s",), True),
        ("q/f", (), True),
    ]


def test_tasks_that_run_a_pipeline_are_not_runnable():
    assert [each.path for each in runnable_tasks(OUTER)] == ["a", "p/s", "p/t", "p/f", "q/s", "q/t", "q/f"]
