"""The placeholders of another system in texts, replaced by Tekton's variables.

Rules:

- A placeholder that has no meaning here is an error with the path of its text, and similar names that have one.
- A text that Tekton would read as a variable of its own is an error, since the other system does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from monopod.compiler.documents.plain_texts import replace_texts
from monopod.compiler.documents.validation import Complaint
from monopod.schemas.model import Path
from monopod.schemas.variables import ROOTS

Replace: TypeAlias = Callable[[str], str | None]
"""Returns the text for the name in a placeholder; None leaves it. Raises ValueError with a message if it is wrong."""

_OF_TEKTON = re.compile(rf"\$\((?:{'|'.join((*ROOTS, 'outputs'))})[.\[]")


def variables_of_tekton(text: str, path: Path) -> Iterator[Complaint]:
    """Yield an error if Tekton would read a variable in the text at `path`, which the other system does not."""
    if match := _OF_TEKTON.search(text):
        message = f"Tekton would replace a variable at '{match[0]}'; write a space after '$('"
        yield Complaint(path, message, "unknown-reference")


@dataclass
class Placeholders:
    """Replaces what `pattern` finds in texts; its first group is the name. Collects what is wrong in `complaints`."""

    pattern: re.Pattern[str]
    replace: Replace
    complaints: list[Complaint] = field(default_factory=list)

    def translate(self, value: Any, path: Path) -> Any:
        """Return plain data at `path` with the placeholders in its texts replaced."""
        return replace_texts(value, path, self._text)

    def _text(self, text: str, path: Path) -> str:
        self.complaints += variables_of_tekton(text, path)
        parts, end = [], 0
        for match in self.pattern.finditer(text):
            try:
                new = self.replace(match[1].strip())
            except ValueError as error:
                self.complaints.append(Complaint(path, str(error), "unknown-reference"))
                new = None
            parts += [text[end : match.start()], match[0] if new is None else new]
            end = match.end()
        return "".join((*parts, text[end:]))
