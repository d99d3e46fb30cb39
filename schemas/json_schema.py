"""The JSON Schema of Tekton documents, generated from the models, for editors that complete and check YAML.

Rules:

- It is draft 7, which editors support best. The apiVersion and kind select the schema. Documents of other kinds may be
  anything, since files contain those too.
- null counts as missing, as in the models. Unlike in the models, field names are case-sensitive: an editor should write
  them as Tekton does.
- It does not contain the checks of `Model.problems` and of the compiler.

Left to others: the models (``tekton``, ``kubernetes``), the descriptions (``field_descriptions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from monopod.schemas.model import LazyModel, Model
from monopod.schemas.tekton import params, pipelines, pod_templates, runs, tasks, workspace_bindings
from monopod.schemas.tekton.field_descriptions import DESCRIPTIONS
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task

_V1: tuple[type[Model], ...] = (Pipeline, PipelineRun, Task, TaskRun)
_TEKTON_MODELS: dict[str, type[Model]] = {
    name: value
    for module in (params, pipelines, pod_templates, runs, tasks, workspace_bindings)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
}


_HELD = "$comment"
"""The key of the name of a held model, until its place has a reference to it."""


def json_schema() -> dict[str, Any]:
    """Return the schema of one document."""
    models: tuple[type[Model], ...] = (*_V1, StepAction)
    definitions = {name: _definition(name, model) for name, model in sorted(_generated(models).items())}
    kinds = [model.__name__ for model in models]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Tekton, as monopod reads it",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"type": "string", "description": DESCRIPTIONS["apiVersion"]},
            "kind": {"type": "string", "description": DESCRIPTIONS["kind"]},
        },
        "allOf": [
            {
                "if": _says({"apiVersion": {"const": "tekton.dev/v1"}}),
                "then": {"properties": {"kind": {"enum": kinds}}},
            },
            *({"if": _is_of(model), "then": {"$ref": f"#/definitions/{model.__name__}"}} for model in models),
        ],
        "definitions": definitions,
    }


def _is_of(model: type[Model]) -> dict[str, Any]:
    api_version = {"const": "tekton.dev/v1"} if model in _V1 else {"pattern": r"^tekton\.dev/"}
    return _says({"apiVersion": api_version, "kind": {"const": model.__name__}})


def _says(properties: dict[str, Any]) -> dict[str, Any]:
    return {"required": list(properties), "properties": properties}


def _generated(models: Sequence[type[Model]]) -> dict[str, dict[str, Any]]:
    """Return pydantic's schemas of these models, and of all models that they hold, by name."""
    schemas: dict[str, dict[str, Any]] = {}
    rest = list(models)
    while rest:
        model = rest.pop()
        if model.__name__ not in schemas:
            held: list[type[Model]] = []
            schemas[model.__name__] = model.model_json_schema(schema_generator=_generator(held))
            rest += held
    return schemas


def _generator(held: list[type[Model]]) -> type[GenerateJsonSchema]:
    """Return a generator that refers to the models that a model holds, and adds them to `held`."""

    class Generator(GenerateJsonSchema):
        """A plain validator is a call of a model's own validator (`Model`)."""

        def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
            owner = schema["function"]["function"].__self__  # type: ignore[union-attr]  # a method
            model = owner.model if isinstance(owner, LazyModel) else owner
            held.append(model)
            return {_HELD: model.__name__}  # pydantic would look for a $ref

    return Generator


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model with described fields, whose optional fields may be null."""
    model = _TEKTON_MODELS.get(name)
    required = set(schema.get("required", ()))
    properties = {}
    for field, value in schema.get("properties", {}).items():
        plain = _plain(value)
        described = {"description": text} if (text := _description(model, name, field)) else {}
        properties[field] = {**described, **(_given(plain) if field in required else _or_null(plain))}
    rest = {key: value for key, value in schema.items() if key not in {"title", "properties"}}
    return {**rest, "properties": properties}


def _description(model: type[Model] | None, name: str, field: str) -> str | None:
    """Return the description of a field, by its model, a base of it or, for Tekton's models, by the field only."""
    keys = [f"{name}.{field}"]
    if model is not None:
        keys = [*(f"{base.__name__}.{field}" for base in model.__mro__), field]
    return next((DESCRIPTIONS[key] for key in keys if key in DESCRIPTIONS), None)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles that repeat names, empty defaults, and null."""
    if _HELD in schema:
        return {"$ref": f"#/definitions/{schema[_HELD]}"}
    result = {key: value for key, value in schema.items() if key != "title"}
    if not result.get("default", True):
        del result["default"]
    if "anyOf" in result:
        choices = [_plain(schema) for schema in result["anyOf"] if schema != {"type": "null"}]
        del result["anyOf"]
        result |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _plain(result[key])
    return result


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that may have siblings, since siblings of a $ref are ignored."""
    return {"allOf": [schema]} if "$ref" in schema else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also accepts null."""
    kind = schema.get("type")
    if isinstance(kind, str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [kind, "null"]}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}
