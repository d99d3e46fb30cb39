"""Furiko's context variables in texts: ``${job.name}``, ``${option.NAME}`` and the like.

Rules (Furiko's pkg/core/options/substitution.go and pkg/execution/taskexecutor/podtaskexecutor/substitution.go):

- They are replaced in the image, command, args and the values of env of containers, and nowhere else.
- The substitutions of a Job come first, with any name; then what Furiko knows itself.
- What is left of ``${job.…}``, ``${jobconfig.…}``, ``${task.…}`` and ``${option.…}`` becomes empty, here with a
  warning. Any other ``${…}`` is for the shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.documents.plain_texts import replace_texts
from monopod.compiler.documents.validation import Complaint
from monopod.compiler.importers.placeholders import variables_of_tekton
from monopod.schemas.model import Path

_REPLACED = frozenset({"image", "command", "args"})
_VARIABLE = re.compile(r"\$\{((?:jobconfig|job|task|option)\.[^}]+)\}")


class ContextVariables:
    """Replaces variables by these texts; collects what is wrong in `complaints`, and what becomes empty in `warnings`.

    `literals` are a Job's substitutions, which may hold variables themselves. `known` are all others by name.
    """

    def __init__(self, known: Mapping[str, str], literals: Mapping[str, str]) -> None:
        self._known = known
        self._literals = {f"${{{name}}}": text for name, text in literals.items()}
        self.complaints: list[Complaint] = []
        self.warnings: list[Complaint] = []

    def translate(self, value: Any, path: Path) -> Any:
        """Return the field of a container or Pod at `path`, plain data, with its variables replaced."""
        if path[-1] in _REPLACED:
            return replace_texts(value, path, self._text)
        if path[-1] != "env":
            return replace_texts(value, path, self._checked)
        return [
            {name: self._of_variable(name, text, (*path, index, name)) for name, text in each.items()}
            for index, each in enumerate(value)
        ]

    def _of_variable(self, name: str, value: Any, path: Path) -> Any:
        return replace_texts(value, path, self._text if name == "value" else self._checked)

    def _checked(self, text: str, path: Path) -> str:
        """Return a text that Tekton does not change either."""
        self.complaints += variables_of_tekton(text, path)
        return text

    def _text(self, text: str, path: Path) -> str:
        for written, new in self._literals.items():
            text = text.replace(written, new)
        self._checked(text, path)
        return _VARIABLE.sub(lambda match: self._value(match[1], path), text)

    def _value(self, name: str, path: Path) -> str:
        if name not in self._known:
            message = f"'${{{name}}}' becomes empty: unknown variable{did_you_mean(name, self._known)}"
            self.warnings.append(Complaint(path, message, "unknown-reference"))
        return self._known.get(name, "")
