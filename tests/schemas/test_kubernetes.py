"""The models, compared to the API's own schema from kubernetes-validate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schema_models import models_in

from monopod.schemas import kubernetes
from monopod.schemas.kubernetes.containers import (
    EnvVar,
    EnvVarSource,
    ExecAction,
    Probe,
    ResourceRequirements,
    VolumeMount,
)
from monopod.schemas.kubernetes.objects import ConfigMap, Secret
from monopod.schemas.kubernetes.volumes import Volume
from monopod.schemas.model import Findings, ListOf, Model, field_names, format_path

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.37.0-local-strict"
CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
MODELS = models_in(kubernetes)


@pytest.fixture(scope="module")
def definitions() -> dict[str, Any]:
    return json.loads((SCHEMAS / "_definitions.json").read_text())["$defs"]


def definition(definitions: dict[str, Any], model: type[Model]) -> dict[str, Any]:
    return definitions.get(CORE + model.__name__) or definitions[META + model.__name__]


def test_models_are_found():
    assert len(MODELS) > 70


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_has_the_fields_of_the_api(definitions, model):
    assert field_names(model) == set(definition(definitions, model)["properties"])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_required_fields_match_the_api(definitions, model):
    required = {field.alias for field in model.model_fields.values() if field.is_required()}
    if model in {ConfigMap, Secret}:
        required -= {"apiVersion", "kind"}  # a document has its own kind
    assert required == set(definition(definitions, model).get("required") or ())


ONE_OF = {
    "EnvVarSource",
    "EnvFromSource",
    "VolumeProjection",
    "DownwardAPIVolumeFile",
    "Probe",
    "LifecycleHandler",
    "Volume",
}
TEXTS = {
    "mountPropagation": ["None", "Bidirectional"],
    "recursiveReadOnly": ["Enabled"],
    "volumeMode": ["Block"],
    "scheme": ["HTTPS"],
    "pullPolicy": ["Always"],
    "protocol": ["TCP"],
    "apiVersion": ["v1"],
}


class Examples:
    """Values that fit a definition of the API's schema, with every source of a union at most once."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions

    def of(self, name: str, depth: int = 0) -> st.SearchStrategy[Any]:
        short = name.rsplit(".", 1)[-1]
        properties = self.definitions[name].get("properties")
        if short == "Quantity":
            return st.sampled_from(["1", "500m", "1.5Gi"])
        if short == "IntOrString":
            return st.sampled_from(["http", 8080])
        if short == "Time":
            return st.just("2026-01-01T00:00:00Z")
        if not properties:
            return st.fixed_dictionaries({})
        required = set(self.definitions[name].get("required") or ())
        fields = {
            key: self.value(key, schema, depth + 1, short)
            for key, schema in properties.items()
            if key in required or depth < 4
        }
        mandatory = {key: value for key, value in fields.items() if key in required}
        optional = {key: value for key, value in fields.items() if key not in required}
        if short in ONE_OF:
            return self.one_source(mandatory, optional, properties)
        return st.fixed_dictionaries(mandatory, optional=optional)

    def one_source(self, mandatory, optional, properties):
        sources = {key: value for key, value in optional.items() if "$ref" in properties[key]}
        rest = {key: value for key, value in optional.items() if key not in sources}
        if not sources:
            return st.nothing()
        return st.one_of(
            st.fixed_dictionaries({**mandatory, key: value}, optional=rest) for key, value in sources.items()
        )

    def value(self, key: str, schema: dict[str, Any], depth: int, owner: str) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.of(schema["$ref"].rsplit("/", 1)[-1], depth)
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kind = next(kind for kind in kinds if kind != "null")
        if key == "kind" and owner == "PersistentVolumeClaim":
            return st.just(owner)
        if key == "type" and owner == "HostPathVolumeSource":
            return st.sampled_from(["", "Directory"])
        if key == "accessModes":
            return st.lists(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany"]), max_size=2)
        if kind == "string":
            return st.sampled_from(TEXTS.get(key, ["a", "b c", "ü"]))
        if kind == "integer":
            return st.integers(1, 400)
        if kind == "boolean":
            return st.booleans()
        if kind == "array":
            items = self.value(key + "[]", schema["items"], depth, owner)
            return st.just([]) if items.is_empty else st.lists(items, max_size=2)  # too deep for any
        if isinstance(schema.get("additionalProperties"), dict):
            return st.dictionaries(
                st.sampled_from(["x", "y.z/w"]), self.value(key + "{}", schema["additionalProperties"], depth, owner)
            )
        return st.just({})


@pytest.mark.parametrize(
    "name",
    [
        *("Volume", "EnvVar", "EnvFromSource", "VolumeMount", "SecurityContext", "PodSecurityContext", "Probe"),
        *("Lifecycle", "Affinity", "Toleration", "TopologySpreadConstraint", "PersistentVolumeClaim", "ContainerPort"),
    ],
)
def test_documents_round_trip(definitions, name):
    (model,) = [model for model in MODELS if model.__name__ == name]

    @settings(max_examples=25)
    @given(st.data())
    def check(data):
        document = data.draw(Examples(definitions).of(CORE + name))
        if name == "EnvVar" and "valueFrom" in document:
            document.pop("value", None)
        if name == "VolumeMount" and "subPath" in document:
            document.pop("subPathExpr", None)
        findings = Findings()
        assert model.model_validate(document, context=findings).to_kubernetes() == document
        assert findings.items == []

    check()


def problems(model: type[Model], document: dict[str, Any]) -> list[str]:
    findings = Findings()
    model.model_validate(document, context=findings)
    return [f"{format_path(finding.path)}: {finding.message}" for finding in findings.items]


@pytest.mark.parametrize(
    ("model", "document", "expected"),
    [
        (
            Volume,
            {"name": "x", "emptyDir": {}, "secret": {}},
            ["secret: only one of emptyDir, secret may be given"],
        ),
        (Volume, {"name": "x"}, []),
        (
            EnvVar,
            {"name": "x", "value": "y", "valueFrom": {"fieldRef": {"fieldPath": "a"}}},
            ["valueFrom: only one of value, valueFrom may be given"],
        ),
        (
            EnvVarSource,
            {},
            [": one of configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef, fileKeyRef is required"],
        ),
        (Probe, {"periodSeconds": 1}, [": one of exec, httpGet, tcpSocket, grpc is required"]),
        (
            VolumeMount,
            {"name": "x", "mountPath": "/", "subPath": "a", "subPathExpr": "b"},
            ["subPathExpr: only one of subPath, subPathExpr may be given"],
        ),
    ],
)
def test_problems_of_objects(model, document, expected):
    assert problems(model, document) == expected


def test_null_equals_a_missing_field():
    assert Volume.model_validate({"name": "x", "emptyDir": None}).to_kubernetes() == {"name": "x"}


def test_quantity_may_be_a_number():
    resources = ResourceRequirements.model_validate({"limits": {"cpu": 2, "memory": 0.5}})
    assert resources.limits == {"cpu": "2", "memory": "0.5"}


@pytest.mark.parametrize(
    "document",
    [
        {"name": "x", "mode": "0777"},
        {"name": "x", "emptyDir": {"sizeLimit": True}},
        {"name": "x", "configMap": {"defaultMode": 0o1000}},
        {"name": "x", "configMap": {"optional": "true"}},
        {"name": "x", "projected": {"sources": {}}},
        {},
    ],
)
def test_invalid_documents_are_refused(document):
    with pytest.raises(ValidationError):
        Volume.model_validate(document)


def test_model_with_a_problem_is_refused_unless_problems_are_collected():
    with pytest.raises(ValidationError, match="secret: only one of emptyDir, secret may be given"):
        Volume.model_validate({"name": "x", "emptyDir": {}, "secret": {}})


def test_lists_become_tuples():
    assert get_args(get_args(ListOf[str])[0])[0] is str
    assert ExecAction.model_validate({"command": ["a"]}).command == ("a",)
