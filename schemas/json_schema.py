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

import inspect
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from monopod.schemas.field_types.declarations import Checked, Converted, Range
from monopod.schemas.model import Model, ModelField, fields_of
from monopod.schemas.tekton import params, pipelines, runs, tasks
from monopod.schemas.tekton.field_descriptions import DESCRIPTIONS
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task

_V1: tuple[type[Model], ...] = (Pipeline, PipelineRun, Task, TaskRun)
_TEKTON_MODELS: frozenset[type[Model]] = frozenset(
    value
    for module in (params, pipelines, runs, tasks)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
)
_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Any: {},
}


def json_schema() -> dict[str, Any]:
    """Return the schema of one document."""
    models: tuple[type[Model], ...] = (*_V1, StepAction)
    used = sorted(_used_by(models), key=lambda model: model.__name__)
    definitions = {model.__name__: _definition(model) for model in used}
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


def _used_by(models: tuple[type[Model], ...]) -> set[type[Model]]:
    """Return the models and all models that they contain, at any depth."""
    found: set[type[Model]] = set()
    rest = list(models)
    while rest:
        model = rest.pop()
        if model not in found:
            found.add(model)
            rest += (held for each in fields_of(model).values() for held in _models_in(each.type))
    return found


def _models_in(kind: Any) -> Iterator[type[Model]]:
    if isinstance(kind, type) and issubclass(kind, Model):
        yield kind
    for each in get_args(kind):
        yield from _models_in(each)


def _definition(model: type[Model]) -> dict[str, Any]:
    """Return the schema of a model with described fields, whose optional fields may be null."""
    fields = fields_of(model).values()
    required = [each.key for each in fields if each.is_required]
    return {
        "additionalProperties": False,
        "description": inspect.getdoc(model),
        **({"required": required} if required else {}),
        "type": "object",
        "properties": {each.key: _property(model, each) for each in fields},
    }


def _property(model: type[Model], field: ModelField) -> dict[str, Any]:
    text = _description(model, field.key)
    schema = _schema(field.type)
    return {
        **({"description": text} if text else {}),
        **(_given(schema) if field.is_required else _or_null(schema)),
    }


def _description(model: type[Model], field: str) -> str | None:
    """Return the description of a field, by its model, a base of it or, for Tekton's models, by the field only."""
    keys = [f"{model.__name__}.{field}"]
    if model in _TEKTON_MODELS:
        keys = [*(f"{base.__name__}.{field}" for base in model.__mro__), field]
    return next((DESCRIPTIONS[key] for key in keys if key in DESCRIPTIONS), None)


def _schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a type, without null."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], kind.__metadata__[0])
    if origin in (Union, types.UnionType):
        (only,) = [each for each in arguments if each is not type(None)]
        return _schema(only)
    if origin is Literal:
        choices = {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        return {**choices, "type": "string"}
    if origin is tuple:
        return {"items": _schema(arguments[0]), "type": "array"}
    if origin is dict:
        return {"additionalProperties": _schema(arguments[1]) or True, "type": "object"}
    return dict(_SIMPLE[kind]) if kind in _SIMPLE else {"$ref": f"#/definitions/{kind.__name__}"}


def _annotated(kind: Any, declaration: Any) -> dict[str, Any]:
    match declaration:
        case Converted(schema=schema) | Checked(schema=schema):
            return schema
        case Range(least, most):
            return {**({} if most is None else {"maximum": most}), "minimum": least, **_schema(kind)}
    return {"minLength": 1, **_schema(kind)}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that may have siblings; those of a $ref would be ignored."""
    return {"allOf": [schema]} if "$ref" in schema else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also accepts null."""
    kind = schema.get("type")
    if isinstance(kind, str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [kind, "null"]}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}
