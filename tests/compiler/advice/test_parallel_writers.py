"""The Tasks reported as parallel writers of a Workspace, compared to a search of all pairs."""

from __future__ import annotations

import itertools
import json
import posixpath
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.advice.parallel_writers import parallel_writers
from monopod.compiler.advice.specs import specs_in
from monopod.compiler.documents.documents import read

NAMES = [f"t{number}" for number in range(8)]
"""As many as a message names at most."""

SUB_PATHS = ["", ".", "a", "./a", "a/b", "a/b/c", "a/../b", "b", "ab", "/a", "..", "$(params.p)", "$(params.p)/a"]


@st.composite
def tasks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """PipelineTasks that may write the Workspaces v and w; the key ``final`` marks finally Tasks."""
    found = []
    names = draw(st.permutations(NAMES))
    for number, name in enumerate(names[: draw(st.integers(1, len(names)))]):
        final = draw(st.integers(0, 4)) == 0
        earlier = [each["name"] for each in found if not each["final"]] if number else []
        # some wait for themselves or for later Tasks, which makes cycles
        after = [] if final else draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        bindings = [
            {"name": workspace, "subPath": draw(st.sampled_from(SUB_PATHS))}
            for workspace in draw(st.lists(st.sampled_from("vw"), unique=True))
        ]
        found.append(
            {
                "name": name,
                "final": final,
                "runAfter": after,
                "several": draw(st.integers(0, 5)) == 0,
                "readOnly": draw(st.integers(0, 5)) == 0,
                "viewed": draw(st.lists(st.sampled_from("vw"), max_size=1)) if draw(st.integers(0, 3)) == 0 else [],
                "workspaces": bindings,
            }
        )
    if draw(st.integers(0, 9)) == 0:
        ordinary = [each for each in found if not each["final"]]
        if ordinary:
            ordinary[0]["runAfter"] = [ordinary[-1]["name"]]
    return draw(st.permutations(found))


def pipeline_of(found: list[dict[str, Any]]) -> bytes:
    def written(each: dict[str, Any]) -> dict[str, Any]:
        declared = [{"name": binding["name"], "readOnly": each["readOnly"]} for binding in each["workspaces"]]
        spec: dict[str, Any] = {
            "workspaces": declared,
            "steps": [{"name": "s", "image": "busybox", "command": ["true"]}],
        }
        if each.get("viewed"):
            views = ",".join(f"{name}=copy" for name in each["viewed"])
            spec["metadata"] = {"annotations": {"monopod.dev/views": views}}
        matrix = {"matrix": {"params": [{"name": "m", "value": ["1", "2"]}]}} if each["several"] else {}
        after = {"runAfter": each["runAfter"]} if each["runAfter"] else {}
        return {"name": each["name"], "workspaces": each["workspaces"], "taskSpec": spec, **matrix, **after}

    spec = {
        "params": [{"name": "p"}],
        "workspaces": [{"name": "v"}, {"name": "w"}],
        "tasks": [written(each) for each in found if not each["final"]],
        "finally": [written(each) for each in found if each["final"]],
    }
    document = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": spec}
    return json.dumps(document).encode()


def in_conflict(found: list[dict[str, Any]], workspace: str) -> set[str]:
    """Return the Tasks that can write a Workspace at the same time as another Task or as themselves."""
    after = {each["name"]: set(each["runAfter"]) for each in found}
    for _ in found:
        after = {name: those.union(*(after[each] for each in those)) for name, those in after.items()}
    circular = any(name in those for name, those in after.items())
    writers = {
        each["name"]: (each, binding["subPath"])
        for each in found
        for binding in each["workspaces"]
        if binding["name"] == workspace and not each["readOnly"] and workspace not in each.get("viewed", ())
    }

    def meet(first: str, second: str) -> bool:
        (one, here), (other, there) = writers[first], writers[second]
        if one["final"] != other["final"] or not same_place(here, there):
            return False
        return one["final"] or not (circular or first in after[second] or second in after[first])

    conflicts = {each for pair in itertools.combinations(writers, 2) if meet(*pair) for each in pair}
    return conflicts | {name for name, (each, path) in writers.items() if each["several"] and "$(" not in path}


def same_place(first: str, second: str) -> bool:
    if "$(" in first or "$(" in second:
        return first == second
    one, other = (posixpath.normpath(f"{path or '.'}") for path in (first, second))
    return one == other or any(
        outer == "." or inner.startswith(f"{outer}/") for outer, inner in itertools.permutations((one, other))
    )


@settings(max_examples=300, deadline=None)
@given(tasks())
def test_conflicts_agree_with_a_search_of_all_pairs(found: list[dict[str, Any]]) -> None:
    if not any(not each["final"] for each in found):
        found = [*found, {**found[0], "name": "first", "final": False, "workspaces": []}]
    reported = {}
    for problem in parallel_writers(specs_in(read(pipeline_of(found), "p.yaml"))):
        workspace = re.search("the Workspace '(.)'", problem.message)
        assert workspace is not None
        reported[workspace[1]] = set(re.findall(r"'(t\d)'", problem.message))
    expected = {workspace: in_conflict(found, workspace) for workspace in "vw"}
    assert reported == {workspace: names for workspace, names in expected.items() if names}


@pytest.mark.parametrize("sub_path", ["", "$(params.p)"])
def test_many_tasks_are_partly_named_and_counted(sub_path: str) -> None:
    one = {"final": False, "several": False, "readOnly": False, "runAfter": []}
    bindings = [{"name": "w", "subPath": sub_path}]
    found = [{**one, "name": f"t{number}", "workspaces": bindings} for number in range(1000)]
    (problem,) = parallel_writers(specs_in(read(pipeline_of(found), "p.yaml")))
    named = ", ".join(f"'t{number}'" for number in range(7))
    assert f"the Tasks {named} and 993 more can run at the same time" in problem.message
