"""Params, Results and when-expressions."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from monopod.schemas.formats.object_names import invalid
from monopod.schemas.model import ListOf, Model, Path, repeated
from monopod.schemas.tekton.fields import NonEmpty

Value: TypeAlias = str | tuple[str, ...] | dict[str, str]
"""The value of a param or Result: string, array or object."""

ValueType: TypeAlias = Literal["string", "array", "object"]

_PARAM = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.-]*", re.ASCII)
_OBJECT_PARAM = re.compile(r"[_a-zA-Z][_a-zA-Z0-9-]*", re.ASCII)
_RESULT = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_STEP_RESULT = re.compile(r"\$\(steps\.(.*?)\.results\.(.*?)\)")


def _result_name(value: str) -> str:
    if not _RESULT.fullmatch(value):
        rule = "letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        raise ValueError(invalid(value, "a valid name of a Result", rule))
    return value


class JsonText(str):
    """The JSON of a list or mapping whose elements are not all strings; `written` is the original value."""

    written: Any

    def __new__(cls, text: str, written: Any) -> "JsonText":
        """Return the text of a value."""
        made = super().__new__(cls, text)
        made.written = written
        return made


def not_strings(value: Value) -> str:
    """Return a remark on the elements of a list or mapping that are not strings, or an empty text."""
    written = value.written if isinstance(value, JsonText) else ()
    elements = written.values() if isinstance(written, dict) else written
    wrong = [element for element in elements if not isinstance(element, str | None)]
    if not wrong or any(isinstance(element, dict | list) for element in wrong):
        return ""
    names = [json.dumps(element, ensure_ascii=False) for element in wrong]
    kinds = [" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))), "is" if len(wrong) == 1 else "are"]
    what = f"{kinds[0]} {kinds[1]} not {'a string' if len(wrong) == 1 else 'strings'}"
    bare = " (YAML reads a bare y, yes or on as true, and n, no or off as false)" if bool in map(type, wrong) else ""
    return f"{what}{bare}; write {'it' if len(wrong) == 1 else 'them'} in quotes"


def to_value(value: Any) -> Value:
    """Return a param's value as Tekton reads it: JSON unless it is a string, a list of strings or a mapping of strings.

    So ``5`` is ``"5"``, ``true`` is ``"true"``, ``null`` is ``""`` and ``[1, 2]`` is ``"[1,2]"`` (ParamValue in
    Tekton's param_types.go).
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | tuple) and all(isinstance(item, str | None) for item in value):
        return tuple(item or "" for item in value)
    if isinstance(value, dict) and all(isinstance(item, str | None) for item in value.values()):
        return {key: item or "" for key, item in value.items()}
    text = _to_json(value)
    return JsonText(text, value) if isinstance(value, list | tuple | dict) else text


def _plain_value(value: Value) -> str | list[str] | dict[str, str]:
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value


def _to_json(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_to_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_to_json(key)}:{_to_json(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value, ensure_ascii=False)


def type_of(value: Value) -> ValueType:
    """Return the type of a param's value."""
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, tuple) else "object"


ResultName: TypeAlias = Annotated[str, AfterValidator(_result_name)]

ParamValue: TypeAlias = Annotated[
    Value,
    PlainValidator(to_value),
    PlainSerializer(_plain_value),
    WithJsonSchema({"type": ["string", "array", "object", "number", "boolean", "null"]}),
]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


class Param(Model):
    """A param with a value."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset({"value"})

    name: NonEmpty
    value: ParamValue


class PropertySpec(Model):
    """A key of an object param or Result."""

    type: Literal["string"] | None = None


class ParamSpec(Model):
    """The declaration of a param."""

    name: NonEmpty
    type: ValueType | None = None
    description: str = ""
    properties: dict[str, PropertySpec] | None = None
    default: ParamValue | None = None
    enum: ListOf[str] = ()

    @property
    def value_type(self) -> ValueType:
        """The declared type, otherwise the inferred type (Tekton's ParamSpec.SetDefaults)."""
        if self.type is not None:
            return self.type
        if self.properties is not None:
            return "object"
        return "string" if self.default is None else type_of(self.default)

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names, defaults and enums must fit the type (Tekton docs/tasks.md#specifying-parameters)."""
        kind = self.value_type
        form, dots = (_OBJECT_PARAM, "") if kind == "object" else (_PARAM, ", '.'")
        names: list[tuple[Path, str, str]] = [(("name",), self.name, f"{kind} param")]
        names += [(("properties", key), key, "key of an object param") for key in self.properties or ()]
        for path, name, what in names:
            if not form.fullmatch(name):
                rule = f"letters, digits, '-', '_'{dots}, with a letter or '_' first"
                yield path, invalid(name, f"a valid name of {_article(what)} {what}", rule)
        if self.default is not None and type_of(self.default) != kind:
            message = f"the param is of type {kind}, but its default is of type {type_of(self.default)}"
            remark = not_strings(self.default)
            yield ("default",), f"in the default, {remark}" if remark and kind != "string" else message
        if kind == "object" and self.properties is None:
            yield (), f"the object param '{self.name}' needs properties"
        yield from self._enum_problems(kind)

    def _enum_problems(self, kind: ValueType) -> Iterator[tuple[Path, str]]:
        if not self.enum:
            return
        if kind != "string":
            yield ("enum",), f"only a param of type string may have an enum, this one is of type {kind}"
        for index, first in repeated(self.enum):
            yield ("enum", index), f"'{self.enum[index]}' is already there at enum[{first}]"
        if isinstance(self.default, str) and self.default and self.default not in self.enum:
            yield ("default",), f"the default '{self.default}' is not among the values of enum"


class StepResult(Model):
    """A Result that a Step declares."""

    name: ResultName
    type: ValueType | None = None
    properties: dict[str, PropertySpec] | None = None
    description: str = ""

    @property
    def value_type(self) -> ValueType:
        """The declared type, otherwise the inferred type (Tekton's SetDefaults)."""
        return self.type or ("string" if self.properties is None else "object")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """An object must declare its keys."""
        if self.value_type == "object" and self.properties is None:
            yield (), f"the object Result '{self.name}' needs properties"


class TaskResult(StepResult):
    """A Result that a Task declares. `value` takes it from a Step's Result."""

    value: ParamValue | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The value must be a reference to a Step's Result (Tekton docs/stepactions.md#emitting-results)."""
        yield from super().problems()
        if self.value is None or self.value == "":
            return
        if not isinstance(self.value, str) or _STEP_RESULT.search(self.value) is None:
            yield ("value",), "expected a reference to a Step's Result, such as $(steps.build.results.digest)"


class PipelineResult(Model):
    """A Result that a Pipeline declares."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset({"value"})

    name: NonEmpty
    type: ValueType | None = None
    description: str = ""
    value: ParamValue


class WhenExpression(Model):
    """A guard: `input` is (not) among `values`, or the CEL expression `cel` is true."""

    input: str = ""
    operator: Literal["in", "notin"] | None = None
    values: ListOf[str] = ()
    cel: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Needs cel, or operator and values (Tekton docs/pipelines.md#guard-task-execution-using-when-expressions)."""
        if self.cel:
            if self.input or self.operator or self.values:
                yield ("cel",), "cel may not be given together with input, operator and values"
            return
        if self.operator is None:
            yield (), "a when-expression needs an operator: in or notin"
        if not self.values:
            yield ("values",), "a when-expression needs values, a list that is not empty"
