"""The names under which the Plan lists variables: the coordinator reads every one of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.compilation import compile_runs
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.scope.variables_in_scope import listed
from monopod.schemas.variables import parse_path

NAMES = st.text(st.sampled_from("aZ0-_. /'\"[]()$é\n"), min_size=1)
PATHS = st.tuples(st.just("workspaces"), NAMES, st.just("bound"))


@given(PATHS)
def test_every_listed_variable_can_be_read(path):
    variables = listed({path: "true"}, {path})
    assert [parse_path(name) for name, _ in variables] == [path for _ in variables]
    assert bool(variables) == (not {"'", '"'} <= set(path[1])), "no reference can have both"


@pytest.mark.parametrize("name", ["a b", "a/b", "Größe", "a.b", "x'y", 'x"y'])
def test_workspace_of_any_name_is_listed(tmp_path, name):
    task = {"name": "t", "workspaces": [{"name": name}]}
    task["taskSpec"] = {"workspaces": [{"name": name}], "steps": [{"name": "s", "image": "x", "script": "true"}]}
    spec = {"pipelineSpec": {"workspaces": [{"name": name}], "tasks": [task]}}
    spec["workspaces"] = [{"name": name, "emptyDir": {}}]
    run = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "run"}, "spec": spec}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (compilation,) = compile_runs(load([str(tmp_path / "run.json")]), Options())
    names = [name for name, _ in compilation.plan.pipeline.variables]
    assert ("workspaces", name, "bound") in map(parse_path, names)
