"""The architectures that a Pod is compiled for: from the options, from its nodeSelector, or the usual ones."""

from __future__ import annotations

import json
import os

import pytest

from monopod.runtime.bootstrap import MACHINES

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run}
spec:
  pipelineSpec:
    tasks: [{name: a, taskSpec: {steps: [{name: s, image: i, command: [c]}]}}]
"""


def on(architecture: str) -> str:
    selector = json.dumps({"kubernetes.io/arch": architecture})
    return f"{RUN}  taskRunTemplate:\n    podTemplate:\n      nodeSelector: {selector}\n"


def carried(compilation) -> list[str]:
    (coordinator,) = compilation.pod["spec"]["initContainers"]
    names = [word.partition("=")[0] for word in coordinator["command"][6:-1]]
    assert names[-1] == "coordinator"
    return [name.removeprefix("entrypoint-") for name in names[:-1]]


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        (RUN, (), ["amd64", "arm64"]),
        (RUN, ("s390x", "arm", "s390x"), ["arm", "s390x"]),
        (on("riscv64"), (), ["riscv64"]),
        (on("arm64"), ("amd64", "arm64"), ["amd64", "arm64"]),
    ],
)
def test_pod_has_an_entrypoint_for_each_architecture(compiled, text, asked, expected):
    assert carried(compiled(text, architectures=asked)) == expected


@pytest.mark.parametrize(("machine", "more"), [("x86_64", []), ("s390x", ["s390x"]), ("m68k", [])])
def test_local_pod_has_the_entrypoint_of_this_machine(compiled, monkeypatch, machine, more):
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "here", "6", "1", machine)))
    assert carried(compiled(RUN, local=True)) == ["amd64", "arm64", *more]
    assert carried(compiled(RUN)) == ["amd64", "arm64"]


def test_unknown_architecture_is_refused_at_its_position(problems):
    (line,) = problems(on("amd46"))
    assert line.startswith("p.yaml:9:")
    assert "there is no architecture 'amd46' (did you mean 'amd64'?); monopod has an entrypoint for amd64, " in line


def test_machine_name_is_not_an_architecture(problems):
    assert MACHINES["x86_64"] == "amd64"
    (line,) = problems(on("x86_64"))
    assert "(did you mean 'amd64'?)" in line


def test_node_selector_for_another_architecture_is_refused(problems):
    (line,) = problems(on("arm64"), architectures=("amd64",))
    assert line.startswith("p.yaml:9:")
    assert line.endswith("the Pod runs on arm64 nodes only, and --arch is amd64; add arm64 to --arch")


CEL = RUN.replace("taskSpec", "when: [{cel: \"'a' == 'b'\"}], taskSpec")


def test_cel_needs_an_image_with_cel(problems, compiled):
    (line,) = problems(CEL)
    assert "when[0].cel: the default image of the coordinator has no CEL; use --runtime-image with" in line
    assert compiled(CEL, runtime_image="with-cel:1").plan.pipeline.tasks[0].when[0].cel
    assert compiled(CEL, uses_images=False).plan.pipeline.tasks[0].when[0].cel


@pytest.mark.parametrize(
    ("count", "more"), [(2, "1 more when-expression uses CEL"), (9, "8 more when-expressions use CEL")]
)
def test_missing_cel_is_reported_once(problems, count, more):
    guard = "{cel: \"'a' == 'b'\"}"
    (line,) = problems(CEL.replace(guard, ", ".join([guard] * count)))
    assert "when[0].cel: the default image of the coordinator has no CEL" in line
    assert line.endswith(f"see docs/runtime-image.md ({more})")


def test_cel_beside_an_unknown_task_is_refused_too(problems):
    text = CEL.replace("taskSpec: {steps: [{name: s, image: i, command: [c]}]}", "taskRef: {name: none}")
    assert sorted("CEL" in line for line in problems(text)) == [False, True]


def test_cel_syntax_error_is_the_only_problem(problems):
    (line,) = problems(CEL.replace("== 'b'", "== "))
    assert "does not parse" in line
