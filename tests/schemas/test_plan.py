"""The walk over a Plan: where each PipelineTask is, and what it waits for."""

from monopod.schemas.plan import Pipeline, Task, runnable_tasks, walk

INNER = Pipeline("inner", tasks=(Task("s"), Task("t", after=("s",))), final_tasks=(Task("f"),))
OUTER = Pipeline(
    "outer", tasks=(Task("a"), Task("p", pipeline=INNER, after=("a",))), final_tasks=(Task("q", pipeline=INNER),)
)


def test_each_task_has_its_path_and_what_it_waits_for():
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


def test_what_runs_a_pipeline_has_no_steps_of_its_own():
    assert [each.path for each in runnable_tasks(OUTER)] == ["a", "p/s", "p/t", "p/f", "q/s", "q/t", "q/f"]
