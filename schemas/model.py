"""What all models of foreign documents (Tekton's, Kubernetes') have in common.

- Fields are snake_case here and camelCase outside; a field that is not declared is refused. Upper and lower case are not
  told apart in the name of a field, since Go's JSON does not (``mountpath`` is ``mountPath`` to Tekton).
- No value is converted: ``"1"`` is not a number. Lists become tuples, and a model cannot be changed once made.
- A field that is ``null`` is a field that is not there, as the Kubernetes API reads it.
- What is wrong with an object although each of its fields is right, the object itself tells: `Model.problems`.

Left to others: positions in files and the wording of pydantic's own messages (``monopod.compiler.documents``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, Strict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

T = TypeVar("T")

ListOf: TypeAlias = Annotated[tuple[T, ...], Strict(False)]
"""A list outside, a tuple here. What it holds is as strict as everything else."""

Path: TypeAlias = tuple[str | int, ...]
"""Where something is in a document: field names as in the YAML, indices of list elements."""


@dataclass
class Findings:
    """Collects what `Model.problems` tells while a document is validated, so that one problem does not hide another.

    Given as the ``context`` of a validation. Each finding is the mapping it was found in, a path inside it, and what is
    wrong. Without a context, a model with problems raises ValidationError instead.
    """

    items: list[tuple[dict[str, Any], Path, str]] = field(default_factory=list)


class Model(BaseModel):
    """The base of all models of foreign documents."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
    )

    null_means_empty: ClassVar[frozenset[str]] = frozenset()
    """Fields, as in the YAML, for which ``null`` is a value of its own."""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Yield what is wrong with this object, each with the path of the culprit from here, in the YAML's names."""
        yield from ()

    def to_kubernetes(self) -> dict[str, Any]:
        """Return the plain mapping this was made from: camelCase names, lists, and only what was given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @model_validator(mode="wrap")
    @classmethod
    def _validate_whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        model = handler(cls._as_read_by_go(data) if isinstance(data, dict) else data)
        found = tuple(model.problems())
        if found and isinstance(info.context, Findings):
            info.context.items.extend((data, path, message) for path, message in found)
        elif found:
            raise ValueError("; ".join(f"{format_path(path)}: {message}" for path, message in found))
        return model

    @classmethod
    def _as_read_by_go(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return the mapping without its nulls, and with the names of its fields as declared."""
        names = field_names(cls)
        if not names.issuperset(data):
            declared = {name.lower(): name for name in names}
            renamed = {key: declared.get(key.lower(), key) for key in data if isinstance(key, str)}
            data = {
                name if name == key or name not in data else key: value
                for key, value in data.items()
                for name in (renamed.get(key, key),)
            }
        if None in data.values():
            return {name: value for name, value in data.items() if value is not None or name in cls.null_means_empty}
        return data


@cache
def field_names(model: type[Model]) -> frozenset[str]:
    """Return the names of a model's fields in the YAML."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def format_path(path: Path) -> str:
    """Return a path as people write it: ``spec.tasks[3].runAfter``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Yield (index, index of the first) for each value that was there before."""
    first: dict[Hashable, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            yield index, first[value]
