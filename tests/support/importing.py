"""Documents of other systems as text: what they are converted to, what is wrong with them, how to set their fields."""

from __future__ import annotations

import copy
import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.schemas.foreign.support import NoEffect, Refused
from monopod.schemas.model import Model, Path

Params: TypeAlias = tuple[tuple[str, str], ...]


def converted(text: str, params: Params = ()) -> list[dict[str, Any]]:
    """Return the documents that a text means, with these values of ``-p``."""
    return [document.data for document in load(["-"], io.BytesIO(textwrap.dedent(text).encode()), params)]


def problems_of(text: str, **options: Any) -> list[str]:
    """Return the problems of a text as lines without the name of the file or, if there are none, its warnings."""
    return [str(problem).removeprefix("<stdin>:") for problem in found_in(text, **options)]


def found_in(text: str, **options: Any) -> list[Problem]:
    """Return the problems of a text or, if there are none, its warnings."""
    try:
        documents = load(["-"], io.BytesIO(textwrap.dedent(text).encode()), options.get("params", ()))
        return [each for run in compile_runs(documents, Options(**options)) for each in run.warnings]
    except Problems as error:
        return list(error.problems)


def with_field(document: Mapping[str, Any], path: Path, field: str) -> str:
    """Return the text of a document with a value in the field of the mapping at `path`."""
    changed: Any = copy.deepcopy(dict(document))
    owner = changed
    for part in path:
        owner = owner.setdefault(part, {}) if isinstance(part, str) else owner[part]
    owner[field] = {"some": "value"}
    return yaml.safe_dump(changed, sort_keys=False)


def untranslated(models: Mapping[type[Model], Path]) -> Iterator[tuple[type[Model], Path, str, Refused | NoEffect]]:
    """Yield the fields of these models that are refused or have no effect, each with the path of its model."""
    for model, path in models.items():
        for name, field in model.model_fields.items():
            support = next((each for each in field.metadata if isinstance(each, Refused | NoEffect)), None)
            if support is not None:
                yield model, path, field.alias or name, support
