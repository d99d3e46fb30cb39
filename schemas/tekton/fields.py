"""Field types and checks that several kinds of Tekton objects share."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from monopod.schemas.formats.object_names import LABEL, LONGEST_LABEL, SUBDOMAIN, invalid, label_problem
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Path


def _label(value: str) -> str:
    if problem := label_problem(value):
        raise ValueError(problem)
    return value


def _on_error(value: str) -> str:
    if value not in {"continue", "stopAndFail"} and not value.startswith("$(params"):
        raise ValueError(f"expected continue or stopAndFail, got '{value}'")
    return value


Label: TypeAlias = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_LABEL, "pattern": f"^{LABEL.pattern}$"}),
]
"""A DNS-1123 label."""

NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
OnError: TypeAlias = Annotated[
    str,
    AfterValidator(_on_error),
    WithJsonSchema({"anyOf": [{"enum": ["stopAndFail", "continue"]}, {"type": "string", "pattern": r"^\$\(params"}]}),
]


def name_problems(metadata: ObjectMeta) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with the name of an object (Tekton's validate.ObjectMetadata)."""
    if metadata.name is None:
        if metadata.generate_name is None:
            yield ("metadata",), "a name is required"
    elif not SUBDOMAIN.fullmatch(metadata.name) or len(metadata.name) > LONGEST_LABEL:
        rule = "at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
        yield ("metadata", "name"), invalid(metadata.name, "a valid name", rule)
