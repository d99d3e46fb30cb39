"""Reporting what a document of another system asks for and cannot have here (``schemas.foreign.support``)."""

from __future__ import annotations

from monopod.compiler.documents.validation import Complaint
from monopod.schemas.foreign.support import Refused, set_fields
from monopod.schemas.model import Model, Path


def unsupported(
    model: Model, path: Path, system: str, without: frozenset[str] = frozenset()
) -> tuple[list[Complaint], list[Complaint]]:
    """Return the errors and the warnings about fields inside `model`, which is at `path`.

    `system` is the name of the other system. The fields in `without` are not searched.
    """
    errors, warnings = [], []
    for where, support in set_fields(model, path, without):
        name = str(where[-1])
        if isinstance(support, Refused):
            message = f"{name} of {system} is not supported; {support.way_out}"
            errors.append(Complaint(where, message, "unsupported", at_key=True))
        else:
            warnings.append(Complaint(where, f"{name} has no effect: {support.reason}", "no-effect", at_key=True))
    return errors, warnings
