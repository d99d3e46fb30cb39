"""Models of foreign documents: which of them are built, and what one that holds another makes of it."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from monopod.schemas.model import Findings
from monopod.schemas.tekton.pipelines import Pipeline, PipelineTask

PROGRAM = """\
from monopod.compiler.documents.documents import read
from monopod.schemas.model import Model

def models(base):
    for model in base.__subclasses__():
        yield model
        yield from models(model)

read(b'''
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: greet}
spec:
  tasks:
  - name: hello
    taskSpec: {steps: [{image: busybox, script: echo hello}]}
''', "greet.yaml").items
print(*(model.__name__ for model in models(Model) if model.__pydantic_complete__))
"""
USED = {"Pipeline", "ObjectMeta", "PipelineSpec", "PipelineTask", "EmbeddedTask", "Step"}


def test_only_the_models_of_a_document_are_built():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == USED


STEP = {"image": "x", "script": "true"}


def test_an_error_in_a_held_model_has_its_whole_path():
    document = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "x", "labels": {"a": 1}},
        "spec": {"tasks": [{"name": "a", "taskSpec": {"steps": [STEP, {"image": 5}, "x"]}}]},
    }
    with pytest.raises(ValidationError) as caught:
        Pipeline.model_validate(document, context=Findings())
    assert [(each["loc"], each["type"]) for each in caught.value.errors()] == [
        (("metadata", "labels", "a"), "string_type"),
        (("spec", "tasks", 0, "taskSpec", "steps", 1, "image"), "string_type"),
        (("spec", "tasks", 0, "taskSpec", "steps", 2), "model_type"),
    ]


def test_problems_of_a_nested_pipeline_are_found_once():
    findings = Findings()
    nested = {"tasks": [{"name": "b", "taskSpec": {"steps": []}}]}
    PipelineTask.model_validate({"name": "a", "pipelineSpec": nested}, context=findings)
    assert [finding.message for finding in findings.items] == ["a Task needs steps, a list that is not empty"]
