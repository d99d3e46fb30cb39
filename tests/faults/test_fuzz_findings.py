"""Findings of the fuzzers, each with a name and as small as possible, and the error of every command."""

from __future__ import annotations

import pytest
from hostile_input import check_text, compile_text, graph_text

HEAD = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n"
STEP = "{name: s, image: 'b@sha256:" + "0" * 64 + "', script: x"


def _volume(source: str) -> str:
    return (
        f"{HEAD}  volumes: [{{name: v, {source}}}]\n  steps: [{STEP}, volumeMounts: [{{name: v, mountPath: /v}}]}}]\n"
    )


FINDINGS = {
    "an array for a param that is a string, and that the environment refers to": (
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:\n  - name: a\n"
        "    params: [{name: x, value: [d, e]}]\n    taskSpec:\n      params: [{name: x}]\n"
        f"      steps: [{STEP}, env: [{{name: X, value: $(params.x)}}]}}]\n",
        "param-type",
    ),
    "an element of a string, in a default": (
        f'{HEAD}  params: [{{name: x, default: "$(workspaces.w.path[0])"}}]\n  workspaces: [{{name: w}}]\n'
        f"  steps: [{STEP}, args: [$(params.x)]}}]\n",
        "reference-type",
    ),
    "a volume source with unknown fields": (_volume("flocker: {sample: x}"), "unknown-field"),
    "a volume source without a required field": (_volume("iscsi: {iqn: a, lun: 1}"), "missing-field"),
    "a claim whose metadata hold what no server writes": (
        _volume(
            "ephemeral: {volumeClaimTemplate: {metadata: {managedFields: [{sample: x}]}, "
            "spec: {resources: {requests: {storage: 1Gi}}}}}"
        ),
        "unknown-field",
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_fuzz_finding_is_refused(name):
    text, rule = FINDINGS[name]
    assert compile_text(text) == []
    assert graph_text(text, "dot") == ""
    assert rule in {each["ruleId"] for each in check_text(text)["runs"][0]["results"] if each["level"] == "error"}


@pytest.mark.parametrize("field", ["Metadata", "speC"])
def test_run_with_fields_in_other_case(field):
    text = HEAD.replace("Task\n", "TaskRun\n").replace(field.lower(), field) + f"  taskSpec: {{steps: [{STEP}}}]}}\n"
    (pod,) = compile_text(text)
    assert pod["metadata"]["name"] == "a"
