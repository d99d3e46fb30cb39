"""The base of all models of foreign documents (Tekton's, Kubernetes').

- Fields are snake_case here and camelCase in YAML. Undeclared fields are refused. Field names are case-insensitive, as
  in Go's JSON (``mountpath`` is ``mountPath`` to Tekton).
- Values are not converted: ``"1"`` is not a number. Lists become tuples, and models are immutable.
- A field that is ``null`` counts as missing, as in the Kubernetes API.
- `Model.problems` checks what involves several fields of an object.
- A model costs little until it is used, and most documents use few of them: a model that holds another does not build
  its validator, but calls it. Making the class costs more than that. `lazy_model` names one whose module is imported
  when a document first has a value for it.

Left to others: positions in files and the wording of pydantic's own messages (``documents.validation``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")

Path: TypeAlias = tuple[str | int, ...]
"""The path to a value in a document: field names as in the YAML, and indices."""

Anything: TypeAlias = dict[str, Any]
"""A mapping that is passed on unchanged."""


class _FromList:
    """Turns a list into a tuple, with a message for people if it is not a list."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        expected = "a list of strings" if get_args(source)[0] is str else "a list"
        lists = (list, tuple)

        def check(value: Any) -> Any:
            if isinstance(value, lists):
                return tuple(value)
            raise ValueError(f"expected {expected}")

        return core_schema.no_info_before_validator_function(check, handler(source))


ListOf: TypeAlias = Annotated[tuple[T, ...], _FromList]
"""A list in YAML, a tuple here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with `mapping`, at `path` inside it. `unknown`: the key is not one of these fields."""

    mapping: dict[str, Any]
    path: Path
    message: str
    unknown: frozenset[str] | None = None


@dataclass
class Findings:
    """Collects the problems of all models in a document, so that one problem does not hide another.

    It is passed as the ``context`` of a validation. Without it, a model with a problem raises ValidationError.
    """

    items: list[Finding] = field(default_factory=list)


class Model(BaseModel):
    """The base of all models of foreign documents."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
    )

    null_means_empty: ClassVar[frozenset[str]] = frozenset()
    """The fields, as in the YAML, in which ``null`` is a value."""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Yield the problems of this object, each with its path from here in the YAML's names."""
        yield from ()

    def to_kubernetes(self) -> dict[str, Any]:
        """Return the mapping that this was made from: camelCase names, lists, and only the given fields.

        Nulls are omitted, and a Quantity that was a number is a string.
        """
        fields: dict[str, Any] = self.__pydantic_serializer__.to_python(
            self, mode="json", by_alias=True, exclude_unset=True
        )
        return fields

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of this model while it is built; else, a call of its validator, which may not be built."""
        if cls in _being_built:
            _being_built.remove(cls)
            return handler(source)
        return core_schema.with_info_plain_validator_function(
            cls._validate_nested,
            serialization=core_schema.plain_serializer_function_ser_schema(Model.to_kubernetes),
        )

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build this model: pydantic does that when it is first used."""
        _being_built.add(cls)
        return super().model_rebuild(**options)

    @classmethod
    def _validate_nested(cls, data: Any, info: ValidationInfo) -> Self:
        model: Self = cls.__pydantic_validator__.validate_python(data, context=info.context)
        return model

    @model_validator(mode="wrap")
    @classmethod
    def _validate_whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        findings = info.context.items if isinstance(info.context, Findings) else None
        if not isinstance(data, dict):
            return handler(data)
        model = handler(cls._as_read_by_go(data, findings))
        found = [Finding(data, path, message) for path, message in model.problems()]
        if findings is not None:
            findings += found
        elif found:
            raise ValueError("; ".join(f"{format_path(finding.path)}: {finding.message}" for finding in found))
        return model

    @classmethod
    def _as_read_by_go(cls, data: dict[str, Any], findings: list[Finding] | None) -> dict[str, Any]:
        """Return the mapping without nulls, its fields spelled as declared."""
        names = field_names(cls)
        if not names.issuperset(data):
            data = _respell(data, names, findings)
        if None in data.values():
            return {name: value for name, value in data.items() if value is not None or name in cls.null_means_empty}
        return data


_being_built: set[type[Model]] = set()


@dataclass(frozen=True, slots=True)
class LazyModel:
    """A model whose module is imported when it is used."""

    module: str
    name: str

    @property
    def model(self) -> type[Model]:
        """The model itself."""
        model: type[Model] = getattr(import_module(self.module), self.name)
        return model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a call of the model's validator."""
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(Model.to_kubernetes),
        )

    def _validate(self, data: Any, info: ValidationInfo) -> Model:
        return self.model.model_validate(data, context=info.context)


def lazy_model(module: str, name: str) -> Any:
    """Return the annotation of a field that holds a model of another module, without importing that."""
    return Annotated[Any, LazyModel(module, name)]


def _respell(data: dict[str, Any], names: frozenset[str], findings: list[Finding] | None) -> dict[str, Any]:
    by_lower_case = {name.lower(): name for name in names}
    result: dict[str, Any] = {}
    for key, value in data.items():
        name = key if key in names else by_lower_case.get(key.lower())
        if name is not None and (name == key or name not in data):
            result[name] = value
        elif findings is not None:
            findings.append(Finding(data, (key,), "unknown field", unknown=names))
        else:
            result[key] = value
    return result


@cache
def field_names(model: type[Model]) -> frozenset[str]:
    """Return the names of a model's fields in the YAML."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def format_path(path: Path) -> str:
    """Return a path as a text: ``spec.tasks[3].runAfter``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Yield (index, index of the first) for each repeated value."""
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield index, first[value]


def duplicates(name: str, items: Sequence[Any], what: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem for each element of the list `name` whose name is not unique."""
    if len(items) < 2:
        return
    names = [item.name for item in items]
    article = "an" if what[0] in "aeiou" else "a"
    for index, first in repeated(names):
        if names[index]:
            yield (name, index, "name"), f"there is already {article} {what} '{names[index]}' at {name}[{first}]"


def several(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields that are set, in the YAML's names."""
    fields = type(model).model_fields
    return tuple(fields[name].alias or name for name in names if getattr(model, name) is not None)


def at_most_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem at the second of these fields if more than one is set."""
    present = several(model, names)
    if len(present) > 1:
        yield (present[1],), f"only one of {', '.join(present)} may be given"


def exactly_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem unless exactly one of these fields is set."""
    if not several(model, names):
        fields = type(model).model_fields
        yield (), f"one of {', '.join(fields[name].alias or name for name in names)} is required"
    yield from at_most_one(model, *names)
