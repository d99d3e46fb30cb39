"""A TriggerTemplate is the objects that it makes, with values from ``-p``."""

from __future__ import annotations

import pytest
from importing import compilation_of, compilations_of

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problems

TEXT = """\
apiVersion: triggers.tekton.dev/v1beta1
kind: TriggerTemplate
metadata: {name: t}
spec:
  params:
    - name: revision
    - {name: by, default: nobody}
  resourcetemplates:
    - apiVersion: tekton.dev/v1beta1
      kind: PipelineRun
      metadata: {generateName: run-}
      spec:
        timeout: 5m
        pipelineSpec:
          params: [{name: by, type: string}]
          tasks:
            - name: a
              taskSpec:
                steps: [{name: s, image: busybox, script: "echo $(params.by) $(tt.params.revision) $(uid)"}]
        params:
          - {name: by, value: "user $(tt.params.by)"}
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: "event-$(tt.params.revision)"}
      data: {by: $(tt.params.by)}
"""


def compiled(text: str, *params: tuple[str, str]) -> Compilation:
    return compilation_of(text, params=params)


def problems_of(text: str, *params: tuple[str, str]) -> list[str]:
    with pytest.raises(Problems) as caught:
        compiled(text, *params)
    return [str(problem).removeprefix("<stdin>:") for problem in caught.value.problems]


def test_its_objects_have_the_values():
    made = compiled(TEXT, ("revision", "v1"), ("by", "Ada"))
    assert made.plan.document["spec"]["params"] == [{"name": "by", "value": "user Ada"}]
    assert made.plan.document["spec"]["timeouts"] == {"pipeline": "5m0s"}
    (config_map,) = made.config_maps
    assert config_map == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "event-v1"},
        "data": {"by": "Ada"},
    }


def test_a_default_is_used():
    assert compiled(TEXT, ("revision", "v1")).plan.document["spec"]["params"] == [
        {"name": "by", "value": "user nobody"}
    ]


def test_the_uid_depends_only_on_the_file_and_the_values():
    first, again, other = (compiled(TEXT, ("revision", value)).pod for value in ("v1", "v1", "v2"))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("old", "new", "params", "line"),
    [
        ("", "", (), "6:7: spec.params[0]: the TriggerTemplate needs the param 'revision'; give it with -p revision=…"),
        ("user $(tt.params.by)", "user $(tt.params.bye)", (("revision", "v1"),), "21:31: spec.resourcetemplates[0]."
         "spec.params[0].value: the TriggerTemplate has no param 'bye' (did you mean 'by'?)"),
        ("tasks:", "task:", (("revision", "v1"),), "16:11: spec.pipelineSpec.task: unknown field "
         "(did you mean 'tasks'?)"),
        ("  params:\n    -", "  parms:\n    -", (("revision", "v1"),), "5:3: spec.parms: unknown field "
         "(did you mean 'params'?)"),
        ("", "", (("revision", "v1"), ("revison", "v2")), "-p revison=v2: there is no param 'revison'"),
    ],
)  # fmt: skip
def test_problems(old, new, params, line):
    found = problems_of(TEXT.replace(old, new, 1), *params)
    assert any(each.startswith(line) for each in found), found


def test_a_param_of_a_template_is_not_passed_to_other_runs():
    other = """\
---
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: other}
spec: {pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{image: busybox, command: ["true"]}]}}]}}
"""
    first, second = compilations_of(TEXT + other, params=(("revision", "v1"),))
    assert "params" in first.plan.document["spec"]
    assert "params" not in second.plan.document["spec"]
