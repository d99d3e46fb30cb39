"""Documents of other systems as text: what they are converted to, what is wrong with them, how to set their fields."""

from __future__ import annotations

import copy
import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.schemas.foreign.support import NoEffect, Refused
from monopod.schemas.model import Model, Path, format_path

Params: TypeAlias = tuple[tuple[str, str], ...]


def converted(text: str, params: Params = ()) -> list[dict[str, Any]]:
    """Return the documents that a text means, with these values of ``-p``."""
    return [document.data for document in load(["-"], io.BytesIO(textwrap.dedent(text).encode()), params)]


def compilations_of(text: str, **options: Any) -> tuple[Compilation, ...]:
    """Return the compiled runs of a text."""
    documents = load(["-"], io.BytesIO(textwrap.dedent(text).encode()), options.get("params", ()))
    return compile_runs(documents, Options(**options))


def compilation_of(text: str, **options: Any) -> Compilation:
    """Return the compiled run of a text that has one."""
    (compilation,) = compilations_of(text, **options)
    return compilation


def problems_of(text: str, **options: Any) -> list[str]:
    """Return the problems of a text as lines without the name of the file or, if there are none, its warnings."""
    return [str(problem).removeprefix("<stdin>:") for problem in found_in(text, **options)]


def found_in(text: str, **options: Any) -> list[Problem]:
    """Return the problems of a text or, if there are none, its warnings."""
    try:
        return [each for run in compilations_of(text, **options) for each in run.warnings]
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


def assert_untranslated(
    document: Mapping[str, Any], path: Path, field: str, support: Refused | NoEffect, **options: Any
) -> None:
    """Assert that a field of the mapping at `path` is reported there as its type says."""
    where = format_path((*path, field))
    found = found_in(with_field(document, path, field), **options)
    (problem,) = [each for each in found if each.message.startswith(f"{where}: ")]
    if isinstance(support, Refused):
        assert (problem.rule, problem.severity) == ("unsupported", "error")
        assert problem.message.endswith(f"is not supported; {support.way_out}")
    else:
        assert (problem.rule, problem.severity) == ("no-effect", "warning")
        assert problem.message == f"{where}: {field} has no effect: {support.reason}"


def assert_problem(text: str, old: str, new: str, line: str) -> None:
    """Assert that a text has a problem that starts with `line` once `new` is in place of `old`."""
    assert text.count(old) == 1
    found = problems_of(text.replace(old, new))
    assert any(each.startswith(line) for each in found), found
