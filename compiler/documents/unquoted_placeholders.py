"""The ``{{ revision }}`` of Pipelines-as-Code without quotes, which YAML would read as a mapping.

Pipelines-as-Code replaces its variables before it reads the YAML. Here they are hidden behind characters that YAML
takes for text, as many as there were, so every place stays the same, and shown again in the values.

Left to others: their values (``importers.pipelines_as_code``).
"""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(r"""\{\{[^{}\n"'\\-][^{}\n"'\\]*\}\}""")
"""Quotes and escapes mean what YAML says: a placeholder with them needs quotes around it."""
_FIRST, _LAST = 0xE000, 0xF8FF
"""Unicode's private use area: each placeholder has a character of its own."""
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_HIDDEN = re.compile(r"([\ue000-\uf8ff])\1*")


class HiddenPlaceholders:
    """A text without placeholders, and what they were. Without any, or with too many, the text stays as it is."""

    def __init__(self, text: str) -> None:
        self._written: list[str] = [] if _PRIVATE.search(text) else list(dict.fromkeys(_PLACEHOLDER.findall(text)))
        if len(self._written) > _LAST - _FIRST:
            self._written = []
        characters = {written: chr(_FIRST + index) for index, written in enumerate(self._written)}
        self.text = text
        if characters:
            self.text = _PLACEHOLDER.sub(lambda match: characters[match[0]] * len(match[0]), text)

    def shown(self, text: str) -> str:
        """Return a text of the file with its placeholders."""
        return _HIDDEN.sub(self._placeholders, text) if self._written else text

    def _placeholders(self, match: re.Match[str]) -> str:
        written: str = self._written[ord(match[1]) - _FIRST]
        return written * (len(match[0]) // len(written))
