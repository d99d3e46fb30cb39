"""The JSON Schema agrees with the models, up to the limits of a schema, and describes every field."""

from __future__ import annotations

import copy
import inspect
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from every_field import documents, sites
from schema_models import models_in

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.schemas import kubernetes, tekton
from monopod.schemas.json_schema import json_schema
from monopod.schemas.tekton.field_descriptions import DESCRIPTIONS

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(json.dumps(json_schema()))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*/*.yaml") if path.name != "monopod.yaml")
TEKTON_MODELS = {model.__name__: model for model in models_in(tekton)}
MODELS = TEKTON_MODELS | {model.__name__: model for model in models_in(kubernetes)}


def problems(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def test_schema_is_valid():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_references_in_the_schema_resolve():
    text = json.dumps(SCHEMA)
    names = {part.partition('"')[0] for part in text.split('"$ref": "#/definitions/')[1:]}
    assert names <= SCHEMA["definitions"].keys()
    assert {"PipelineSpec", "EmbeddedTask", "Step", "StepAction"} <= names | {"StepAction"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_valid_by_the_schema(example: Path):
    for document in yaml.safe_load_all(example.read_text()):
        assert problems(document) == []


def loads(document: dict[str, Any], folder: Path) -> bool:
    """Whether the models accept a document."""
    file = folder / "document.yaml"
    file.write_text(json.dumps(document))
    try:
        load([str(file)])
    except Problems:
        return False
    return True


FIRST_SITES = {(site.model, site.field): site for site in reversed(sites())}


@pytest.mark.parametrize("site", FIRST_SITES.values(), ids=str)
def test_every_field_is_known(tmp_path: Path, site: Any):
    given, without = documents(site)
    for document in (*given, *without):
        if loads(document, tmp_path):
            assert problems(document) == []


TASK = {
    "apiVersion": "tekton.dev/v1",
    "kind": "Task",
    "metadata": {"name": "build"},
    "spec": {"steps": [{"name": "a", "image": "x", "script": "echo", "timeout": "1m", "onError": "continue"}]},
}
PIPELINE = {
    "apiVersion": "tekton.dev/v1",
    "kind": "Pipeline",
    "metadata": {"name": "ci"},
    "spec": {
        "tasks": [
            {
                "name": "a",
                "pipelineSpec": {"tasks": [{"name": "b", "taskSpec": TASK["spec"], "retries": 2}]},
                "params": [{"name": "p", "value": 5}],
                "when": [{"input": "a", "operator": "in", "values": ["a"]}],
            }
        ]
    },
}


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(document)
    at: Any = result
    *parts, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in parts:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return result


CHANGES = [
    (TASK, "spec.steps.0.image", None),
    (TASK, "spec.steps.0.image", 5),
    (TASK, "spec.steps.0.imagee", "x"),
    (TASK, "spec.steps.0.name", "not a name"),
    (TASK, "spec.steps.0.timeout", 60),
    (TASK, "spec.steps.0.onError", "ignore"),
    (TASK, "spec.steps.0.onError", "$(params.on-error)"),
    (TASK, "spec.steps.0.imagePullPolicy", "Sometimes"),
    (TASK, "spec.steps.0.imagePullPolicy", "$(params.policy)"),
    (TASK, "spec.steps.0.computeResources", {"requests": {"cpu": 1, "memory": "1Gi"}}),
    (TASK, "spec.steps.0.computeResources", {"requests": {"cpu": True}}),
    (TASK, "spec.steps.0.env", [{"name": "A", "value": 1}]),
    (TASK, "spec.steps.0.env", {"A": "1"}),
    (TASK, "spec.params", [{"name": "p", "type": "number"}]),
    (TASK, "spec.params", [{"name": "p", "default": 5}]),
    (TASK, "spec", ...),
    (TASK, "spec", []),
    (TASK, "status", {}),
    (PIPELINE, "spec.tasks.0.name", ...),
    (PIPELINE, "spec.tasks.0.name", "Upper"),
    (PIPELINE, "spec.tasks.0.when.0.operator", "equals"),
    (PIPELINE, "spec.tasks.0.pipelineSpec.tasks.0.retries", -1),
    (PIPELINE, "spec.tasks.0.pipelineSpec.tasks.0.retries", "1"),
    (PIPELINE, "spec.tasks.0.pipelineSpec.tasks.0.taskSpec.steps.0.imagee", "x"),
    (PIPELINE, "spec.tasks.0.pipelineSpec", None),
    (PIPELINE, "spec.tasks.0.matrix", {"params": [{"name": "p", "value": ["a"]}], "includes": []}),
    (PIPELINE, "kind", "Pipelin"),
    (PIPELINE, "kind", ...),
]
BEYOND_A_SCHEMA = {
    "spec.steps.0.name": "not a name",
    "spec.tasks.0.pipelineSpec": None,
    "spec.steps.0.image": None,
}
"""Problems that only `Model.problems` reports."""


@pytest.mark.parametrize(("document", "path", "value"), CHANGES, ids=[f"{path}={value}" for _, path, value in CHANGES])
def test_schema_agrees_with_the_models(tmp_path: Path, document: dict[str, Any], path: str, value: Any):
    result = changed(document, path, value)
    is_beyond = path in BEYOND_A_SCHEMA and BEYOND_A_SCHEMA[path] == value
    assert (problems(result) == []) == (loads(result, tmp_path) or is_beyond)


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}},
        {"apiVersion": "tekton.dev/v1beta1", "kind": "Task", "spec": {"resources": {}}},
        {"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "Trigger", "spec": {}},
    ],
)
def test_other_kinds_are_not_restricted(document: dict[str, Any]):
    assert problems(document) == []


def test_exactly_the_fields_of_tekton_are_described():
    undescribed, used = set(), set()
    for name, definition in SCHEMA["definitions"].items():
        for field, schema in definition["properties"].items():
            if name in TEKTON_MODELS and "description" not in schema:
                undescribed.add(f"{name}.{field}")
            used |= {key for key, text in DESCRIPTIONS.items() if text == schema.get("description")}
    assert not undescribed
    assert used == DESCRIPTIONS.keys()


def test_models_are_described_by_their_docstrings():
    for name, definition in SCHEMA["definitions"].items():
        assert definition["description"] == inspect.getdoc(MODELS[name])


def test_fields_of_other_apis_are_not_described():
    assert "description" not in SCHEMA["definitions"]["Toleration"]["properties"]["operator"]


def test_all_supported_kinds_are_in_the_schema():
    kinds = [
        rule["if"]["properties"]["kind"]["const"] for rule in SCHEMA["allOf"] if "kind" in rule["if"]["properties"]
    ]
    assert kinds == ["Pipeline", "PipelineRun", "Task", "TaskRun", "StepAction"]
