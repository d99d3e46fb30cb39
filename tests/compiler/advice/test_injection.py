"""Params of nested Pipelines: each is checked once, regardless of the number of references."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monopod.compiler.advice.injection import script_injection
from monopod.compiler.advice.specs import specs_in
from monopod.compiler.documents.documents import read


@pytest.mark.parametrize(("enum", "problems"), [(["plain"], 0), (["a; b"], 1)])
def test_doubling_values_are_checked_once(enum: list[str], problems: int):
    twice = [{"name": "p", "value": "$(params.p)$(params.p)"}]
    step = {"name": "s", "image": "busybox", "script": "echo $(params.p)"}
    task = {"name": "t", "params": twice, "taskSpec": {"params": [{"name": "p"}], "steps": [step]}}
    spec: dict[str, Any] = {"params": [{"name": "p"}], "tasks": [task]}
    for _ in range(25):
        spec = {"params": [{"name": "p"}], "tasks": [{"name": "t", "params": twice, "pipelineSpec": spec}]}
    spec["params"][0]["enum"] = enum
    document = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec}
    assert len(list(script_injection(specs_in(read(json.dumps(document).encode(), "p.yaml"))))) == problems
