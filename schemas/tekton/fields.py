"""Field types and checks that several kinds of Tekton objects share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from monopod.schemas.field_types.declarations import Checked, NotEmpty
from monopod.schemas.formats.object_names import LABEL, LONGEST_LABEL, SUBDOMAIN, invalid, label_problem
from monopod.schemas.formats.paths import Path
from monopod.schemas.kubernetes.metadata import ObjectMeta


def _on_error_problem(value: str) -> str | None:
    if value in {"continue", "stopAndFail"} or value.startswith("$(params"):
        return None
    return f"expected continue or stopAndFail, got '{value}'"


Label: TypeAlias = Annotated[
    str,
    Checked(label_problem, {"type": "string", "maxLength": LONGEST_LABEL, "pattern": f"^{LABEL.pattern}$"}),
]
"""A DNS-1123 label."""

NonEmpty: TypeAlias = Annotated[str, NotEmpty()]
OnError: TypeAlias = Annotated[
    str,
    Checked(
        _on_error_problem,
        {"anyOf": [{"enum": ["stopAndFail", "continue"]}, {"type": "string", "pattern": r"^\$\(params"}]},
    ),
]


def name_problems(metadata: ObjectMeta) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with the name of an object (Tekton's validate.ObjectMetadata)."""
    if metadata.name is None:
        if metadata.generate_name is None:
            yield ("metadata",), "a name is required"
    elif not SUBDOMAIN.fullmatch(metadata.name) or len(metadata.name) > LONGEST_LABEL:
        rule = "at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
        yield ("metadata", "name"), invalid(metadata.name, "a valid name", rule)
