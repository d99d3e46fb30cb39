"""The base of all models of foreign documents (Tekton's, Kubernetes').

- Fields are snake_case here and camelCase in YAML. Undeclared fields are refused. Field names are case-insensitive, as
  in Go's JSON (``mountpath`` is ``mountPath`` to Tekton).
- Values are not converted: ``"1"`` is not a number. Lists become tuples, and models are immutable.
- A field that is ``null`` counts as missing, as in the Kubernetes API.
- An instance holds the fields that were given; the defaults of the others belong to its class.
- `Model.problems` checks what involves several fields of an object.
- A model costs next to nothing until it is used: its type hints, which are texts, are evaluated then.

Why no validation library: importing pydantic and building its schemas took most of the time of a small
`monopod compile`.

Left to others: the types of fields (``field_types``), positions in files and messages for people
(``documents.validation``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_args, get_origin

from monopod.schemas.field_types.checks import Check, Context, Nested, check_of
from monopod.schemas.field_types.declarations import Converted, Declaration, field
from monopod.schemas.field_types.mismatches import BAD, ValidationError
from monopod.schemas.formats.paths import Path


class Finding(NamedTuple):
    """A problem with `mapping`, at `path` inside it. `unknown`: the key is not one of these fields."""

    mapping: dict[str, Any]
    path: Path
    message: str
    unknown: frozenset[str] | None = None


class Findings:
    """Collects the problems of all models in a document, so that one problem does not hide another.

    Without it, a model with a problem raises ValidationError.
    """

    def __init__(self) -> None:
        self.items: list[Finding] = []


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Model(Nested):
    """The base of all models of foreign documents. Its constructor takes the values of fields, which it trusts."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset()
    """The fields, as in the YAML, in which ``null`` is a value."""
    declared_keys: ClassVar[Mapping[str, str]] = {}
    """The names in the YAML that differ from the usual ones, by field."""

    def __init_subclass__(cls) -> None:
        keys = dict(cls.declared_keys)
        for name, value in list(vars(cls).items()):
            if isinstance(value, Declaration):
                if value.key is not None:
                    keys[name] = value.key
                if value.make_default is None:
                    delattr(cls, name)
                else:
                    setattr(cls, name, value.make_default())
        cls.declared_keys = keys

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    @classmethod
    def read(cls, data: Any, findings: Findings | None = None) -> Self:
        """Return the model of plain data. Raises ValidationError."""
        context = Context(findings)
        model = cls.check(data, context)
        if context.items:
            raise ValidationError(context.items)
        assert isinstance(model, cls)
        return model

    @classmethod
    def check(cls, value: Any, context: Context) -> Any:
        """Return the model of plain data, or report why there is none."""
        if not isinstance(value, dict):
            return context.report("type", value, "a mapping")
        before = known = len(context.items)
        data = _as_read_by_go(cls, value, context)
        values = {}
        for name, key, check, is_required in _shape_of(cls).checks:
            if key in data:
                values[name] = checked = check(data[key], context)
                if checked is BAD:
                    known = context.move_into(key, known)
            elif is_required:
                context.report("missing", data, path=(key,))
                known += 1
        if len(context.items) != before:
            return BAD
        model = cls(**values)
        for path, message in model.problems():
            if context.findings is None:
                context.report("invalid", data, message, path)
            else:
                context.findings.items.append(Finding(value, path, message))
        return model if len(context.items) == before else BAD

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Yield the problems of this object, each with its path from here in the YAML's names."""
        yield from ()

    @property
    def given(self) -> Mapping[str, Any]:
        """The fields that were given, with their values."""
        return vars(self)

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other values of some fields."""
        return type(self)(**{**vars(self), **values})

    def to_kubernetes(self) -> dict[str, Any]:
        """Return the mapping that this was made from: camelCase names, lists, and only the given fields.

        Nulls are omitted, and a Quantity that was a number is a string.
        """
        writers = _shape_of(type(self)).writers
        result = {}
        for name, value in vars(self).items():
            key, write = writers[name]
            result[key] = value if type(value) is str and write is _plain else write(value)
        return result

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot set {name}: a {type(self).__name__} is immutable")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class ModelField(NamedTuple):
    """A field of a model; `key` is its name in the YAML."""

    key: str
    type: Any
    is_required: bool


class _Shape(NamedTuple):
    """What a model's type hints say. `checks` and `writers` are made of `fields`."""

    fields: Mapping[str, ModelField]
    keys: frozenset[str]
    checks: tuple[tuple[str, str, Check, bool], ...]
    writers: Mapping[str, tuple[str, Callable[[Any], Any]]]


_SHAPES: dict[type[Model], _Shape] = {}
"""The shapes of the models that were used; a class never changes."""


def _shape_of(model: type[Model]) -> _Shape:
    shape = _SHAPES.get(model)
    if shape is None:
        fields = _evaluated_fields(model)
        shape = _SHAPES[model] = _Shape(
            fields,
            frozenset(each.key for each in fields.values()),
            tuple((name, each.key, check_of(each.type), each.is_required) for name, each in fields.items()),
            {name: (each.key, _writer(each.type)) for name, each in fields.items()},
        )
    return shape


def _evaluated_fields(model: type[Model]) -> dict[str, ModelField]:
    types: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model) and base is not Model:
            names = vars(sys.modules[base.__module__])
            hints = {name: hint for name, hint in base.__annotations__.items() if not hint.startswith("ClassVar")}
            types |= {name: eval(hint, names) for name, hint in hints.items()}  # noqa: S307  # of the source
    keys = model.declared_keys
    return {
        name: ModelField(keys.get(name) or _camel_case(name), kind, not hasattr(model, name))
        for name, kind in types.items()
    }


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def fields_of(model: type[Model]) -> Mapping[str, ModelField]:
    """Return the fields of a model by name, those of its bases first."""
    return _shape_of(model).fields


def field_names(model: type[Model]) -> frozenset[str]:
    """Return the names of a model's fields in the YAML."""
    return _shape_of(model).keys


def _writer(kind: Any) -> Callable[[Any], Any]:
    """Return what makes the value of a field plain."""
    if get_origin(kind) is Annotated:
        (declaration,) = kind.__metadata__
        return declaration.write or _plain if isinstance(declaration, Converted) else _plain
    writers = {_writer(each) for each in get_args(kind)} - {_plain}
    return writers.pop() if writers else _plain


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_kubernetes()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _as_read_by_go(model: type[Model], data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the mapping without nulls and unknown fields, its fields spelled as declared."""
    names = field_names(model)
    if not names.issuperset(data):
        data = _respell(data, names, context)
    if None in data.values():
        return {name: value for name, value in data.items() if value is not None or name in model.null_means_empty}
    return data


def _respell(data: dict[str, Any], names: frozenset[str], context: Context) -> dict[str, Any]:
    by_lower_case = {name.lower(): name for name in names}
    result: dict[str, Any] = {}
    for key, value in data.items():
        name = key if key in names else by_lower_case.get(key.lower())
        if name is not None and (name == key or name not in data):
            result[name] = value
        elif context.findings is None:
            context.report("unknown", value, "unknown field", (key,))
        else:
            context.findings.items.append(Finding(data, (key,), "unknown field", unknown=names))
    return result


def repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Yield (index, index of the first) for each repeated value."""
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield index, first[value]


def duplicates(name: str, items: Sequence[Any], what: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem for each element of the list `name` whose name is not unique."""
    names = [item.name for item in items]
    for index, first in repeated(names):
        if names[index]:
            yield (name, index, "name"), f"there is already a {what} '{names[index]}' at {name}[{first}]"


def several(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields that are set, in the YAML's names."""
    fields = fields_of(type(model))
    return tuple(fields[name].key for name in names if getattr(model, name) is not None)


def at_most_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem at the second of these fields if more than one is set."""
    given = several(model, names)
    if len(given) > 1:
        yield (given[1],), f"only one of {', '.join(given)} may be given"


def exactly_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem unless exactly one of these fields is set."""
    if not several(model, names):
        fields = fields_of(type(model))
        yield (), f"one of {', '.join(fields[name].key for name in names)} is required"
    yield from at_most_one(model, *names)
