"""Small documents that would expand to something huge, and the errors that they cause instead."""

from __future__ import annotations

import json
from typing import Any

Object = dict[str, Any]


def _pipeline(name: str, *tasks: Object, **spec: Any) -> Object:
    fields = {"tasks": tasks, **spec}
    return {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": fields}


def _task(name: str, declared: tuple[str, ...] = (), **fields: Any) -> Object:
    """Return a PipelineTask whose Task declares these params, without defaults."""
    steps = [{"name": "s", "image": "b", "command": ["echo", *(f"$(params.{each})" for each in declared)]}]
    return {"name": name, "taskSpec": {"params": [{"name": each} for each in declared], "steps": steps}, **fields}


def _defaults(count: int, times: int) -> list[Object]:
    """Return params that each contain the previous param in their default, `times` times."""
    first = {"name": "p0", "default": "x" * 100}
    rest = [{"name": f"p{n}", "default": f"$(params.p{n - 1})" * times} for n in range(1, count)]
    return [first, *rest]


def _given(value: str) -> list[Object]:
    return [{"name": "p", "value": value}]


def _doubling_pipelines(depth: int) -> list[Object]:
    inner = [
        _pipeline(
            f"p{n}",
            {"name": "a", "pipelineRef": {"name": f"p{n + 1}"}, "params": _given("$(params.p)$(params.p)")},
            params=[{"name": "p", "default": "x" * 100}],
        )
        for n in range(depth)
    ]
    last = _pipeline(f"p{depth}", _task("t", ("p",), params=_given("$(params.p)")), params=[{"name": "p"}])
    return [*inner, last]


def _nested(depth: int, width: int) -> list[Object]:
    """Return Pipelines that each appear `width` times in the previous Pipeline."""
    inner = [
        _pipeline(f"p{n}", *({"name": f"a{each}", "pipelineRef": {"name": f"p{n + 1}"}} for each in range(width)))
        for n in range(depth)
    ]
    return [*inner, _pipeline(f"p{depth}", _task("t"))]


_SIXTEEN = [str(n) for n in range(16)]
_LARGE = [{"name": "p", "default": "x" * 1_000_000}]
_TOO_MUCH_TEXT = "the values of references make it longer than 64 Mi characters"
_TOO_MANY = "the Pod has more than 5000 containers"

EXPENSIVE: dict[str, tuple[list[Object], str]] = {
    "a wide matrix": (
        [
            _pipeline(
                "a",
                _task("t", matrix={"params": [{"name": f"p{n}", "value": _SIXTEEN * 6} for n in range(8)]}),
            )
        ],
        f"a matrix has {96**8} combinations, more than the 256",
    ),
    "many Steps in many combinations": (
        [
            _pipeline(
                "a",
                *(
                    {
                        "name": f"t{n}",
                        "matrix": {"params": [{"name": each, "value": _SIXTEEN} for each in "ab"]},
                        "taskSpec": {"steps": [{"image": "b", "script": "x"}] * 60},
                    }
                    for n in range(10)
                ),
            )
        ],
        _TOO_MANY,
    ),
    "defaults that double": (
        [_pipeline("a", _task("t", ("p",), params=_given("$(params.p59)")), params=_defaults(60, 2))],
        _TOO_MUCH_TEXT,
    ),
    "a Task's defaults that double": (
        [
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "Task",
                "metadata": {"name": "a"},
                "spec": {"params": _defaults(60, 2), "steps": [{"image": "b$(params.p59)", "command": ["x"]}]},
            }
        ],
        _TOO_MUCH_TEXT,
    ),
    "params that double from Pipeline to Pipeline": (_doubling_pipelines(40), _TOO_MUCH_TEXT),
    "a large param in many Tasks": (
        [_pipeline("a", *(_task(f"t{n}", ("p",), params=_given("-$(params.p)")) for n in range(200)), params=_LARGE)],
        _TOO_MUCH_TEXT,
    ),
    "a large param in many Pods' fields": (
        [
            _pipeline(
                "a",
                *(
                    {"name": f"t{n}", "taskSpec": {"steps": [{"image": "$(params.p)", "script": "x"}]}}
                    for n in range(200)
                ),
                params=_LARGE,
            )
        ],
        "the (containers of the Pod hold more than|values of references make it longer than) 64 Mi characters",
    ),
    "a template for many Steps": (
        [
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "Task",
                "metadata": {"name": "a"},
                "spec": {
                    "stepTemplate": {"env": [{"name": f"E{n}", "value": "v" * 60} for n in range(1000)]},
                    "steps": [{"image": "b", "script": "x"}] * 1000,
                },
            }
        ],
        "the containers of the Pod hold more than 64 Mi characters",
    ),
    "Pipelines in Pipelines, twice each": (_nested(30, 2), _TOO_MANY),
    "a long row of Pipelines": (_nested(3000, 1), "nested deeper than 100 levels"),
    "a long row of defaults": (
        [_pipeline("a", _task("t"), params=list(reversed(_defaults(3000, 1))))],
        "more than 100 defaults refer to one another",
    ),
    "a large circle of defaults": (
        [
            _pipeline(
                "a",
                _task("t"),
                params=[{"name": f"p{n}", "default": f"$(params.p{(n + 1) % 3000})"} for n in range(3000)],
            )
        ],
        "more than 100 defaults refer to one another",
    ),
    "a large circle of Tasks": (
        [_pipeline("a", *(_task(f"t{n}", runAfter=[f"t{(n + 1) % 2000}"]) for n in range(2000)))],
        r"the Tasks wait for each other: t0 → t1999 → .* → … → t1 → t0$",
    ),
    "many names that are wrong": (
        [_pipeline("a", *(_task(f"task-{n}", runAfter=[f"other-{n}"]) for n in range(2000)))],
        "there is no Task 'other-1999'",
    ),
    "many params that are wrong": (
        [
            _pipeline(
                "a",
                *(_task(f"t{n}", ("p",), params=_given(f"$(params.other-{n})")) for n in range(1500)),
                params=[{"name": f"param-{n}", "default": "x"} for n in range(1500)],
            )
        ],
        "there is no param 'other-1499'",
    ),
}
"""By name: the documents, and what matches a line of what `monopod compile` says of them."""


def text_of(name: str) -> str:
    """Return the documents of a name as a file; JSON is YAML."""
    return "\n---\n".join(map(json.dumps, EXPENSIVE[name][0]))
