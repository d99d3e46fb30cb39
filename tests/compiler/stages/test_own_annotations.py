"""Annotations of monopod that a document has by mistake are reported, and the known ones are those that are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import monopod
from monopod.compiler.documents import own_annotations
from monopod.compiler.documents.own_annotations import KNOWN, PREFIX, WRITTEN

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run, annotations: {RUN: "1", example.com/x: "y"}}
spec:
  taskRunSpecs:
  - pipelineTaskName: a
    metadata: {annotations: {SPEC: 1s}}
  pipelineSpec:
    tasks:
    - name: a
      retries: 1
      taskSpec:
        metadata: {annotations: {TASK: source}}
        workspaces: [{name: source, optional: true}]
        steps: [{name: s, image: i, command: [c]}]
"""


def run(**names: str) -> str:
    text = RUN
    for word, default in (("RUN", "max-parallel"), ("SPEC", "retry-delay"), ("TASK", "digest")):
        text = text.replace(word, PREFIX + names.get(word.lower(), default))
    return text


@pytest.mark.parametrize(
    ("names", "position", "meant"),
    [
        ({"run": "max-paralel"}, "3:37", "max-parallel"),
        ({"spec": "retrydelay"}, "7:30", "retry-delay"),
        ({"task": "view"}, "13:34", "views"),
    ],
)
def test_unknown_annotation_is_a_warning_at_its_name(compiled, names, position, meant):
    (warning,) = [each for each in compiled(run(**names)).warnings if each.rule == "unknown-annotation"]
    assert f":{position}: " in str(warning)
    assert f"(did you mean '{PREFIX}{meant}'?)" in warning.message


@pytest.mark.parametrize(
    ("names", "position", "about"),
    [
        ({"run": "retry-delay"}, "3:37", "a Task"),
        ({"run": "fail-fast"}, "3:37", "a Task"),
        ({"spec": "max-parallel"}, "7:30", "the whole run"),
        ({"task": "max-parallel"}, "13:34", "the whole run"),
    ],
)
def test_annotation_at_an_object_that_cannot_have_it_is_a_warning(compiled, names, position, about):
    (warning,) = [each for each in compiled(run(**names)).warnings if each.rule == "no-effect"]
    assert f":{position}: " in str(warning)
    assert f"this is about {about}, so it has no effect here" in warning.message


NEVER_CUT = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  tasks:
  - {name: a, taskSpec: {metadata: {annotations: {monopod.dev/group: one}}, steps: [{name: s, image: i, script: x}]}}
  - name: inner
    pipelineSpec:
      tasks:
      - {name: b, taskSpec: {metadata: {annotations: {monopod.dev/group: b}}, steps: [{name: s, image: i, script: x}]}}
  finally:
  - {name: f, taskSpec: {metadata: {annotations: {monopod.dev/group: c}}, steps: [{name: s, image: i, script: x}]}}
"""


def test_group_of_what_is_never_cut_is_a_warning(compiled):
    warnings = [str(each) for each in compiled(NEVER_CUT).warnings if each.rule == "no-effect"]
    assert [warning.split(":")[1] for warning in warnings] == ["10", "12"]
    assert all("finally Tasks and Pipelines that run as Tasks are never cut" in warning for warning in warnings)


def test_known_annotations_are_not_reported(compiled):
    assert [each for each in compiled(run()).warnings if each.rule == "unknown-annotation"] == []


def test_known_annotations_are_those_that_the_source_reads():
    package = Path(monopod.__file__).parent
    files = [path for folder in ("compiler", "runner", "schemas") for path in (package / folder).rglob("*.py")]
    texts = [path.read_text() for path in files if path != Path(own_annotations.__file__)]
    assert {name for text in texts for name in re.findall(rf'"({PREFIX}[a-z-]+)"', text)} == WRITTEN
    importing = "\n".join(re.findall(r"own_annotations import (\([^)]*\)|.*)", "\n".join(texts)))
    constants = {
        name: value for name, value in vars(own_annotations).items() if isinstance(value, str) and value in KNOWN
    }
    assert set(constants.values()) == set(KNOWN)
    assert {name for name in constants if re.search(rf"\b{name}\b", importing)} == set(constants)
