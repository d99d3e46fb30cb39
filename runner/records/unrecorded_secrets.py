"""Keeps the values of Secrets out of records: the texts of files without them.

Rules:

- Each value of a Secret, anywhere in a file, becomes `UNRECORDED`; all other text stays as it is, on the same line. So
  does the annotation in which kubectl keeps a copy of the Secret.
- A text that cannot be edited so, such as one with aliases to values, is left out of the record.

Pure. Left to others: what a repetition does without the values (``repeating.compiling``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

UNRECORDED = "***"
_ENCODED = "Kioq"
"""`UNRECORDED` in base64."""
_SECRET = re.compile(r"kind[\"']?\s*:\s*[\"']?Secret\b")
_COPY = "kubectl.kubernetes.io/last-applied-configuration"


def without_secret_values(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of files, by name, without the values of Secrets."""
    edited = {name: _edited(text) if _SECRET.search(text) else text for name, text in texts.items()}
    return {name: text for name, text in edited.items() if text is not None}


def _edited(text: str) -> str | None:
    try:
        for start, end, value in sorted(_values_in(text), reverse=True):
            line_ends = "\n" * text.count("\n", start, end)
            text = f"{text[:start]}{json.dumps(value)}{line_ends}{text[end:]}"
        left = {text[start:end] for start, end, _ in _values_in(text)}
    except (yaml.YAMLError, RecursionError):
        return None
    return text if left <= {json.dumps(UNRECORDED), json.dumps(_ENCODED)} else None


def _values_in(text: str) -> list[tuple[int, int, str]]:
    """Return where the values of Secrets are in a text, and what they become."""
    return [value for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) for value in _values(node)]


def _values(node: yaml.Node | None) -> Iterator[tuple[int, int, str]]:
    """Yield where the values of Secrets are in a document, and what they become."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _values(item)
    if not isinstance(node, yaml.MappingNode):
        return
    fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if not (isinstance(fields.get("kind"), yaml.ScalarNode) and fields["kind"].value == "Secret"):
        for value in fields.values():
            yield from _values(value)
        return
    for name, replacement in (("data", _ENCODED), ("stringData", UNRECORDED)):
        for _, value in _pairs(fields.get(name)):
            yield value.start_mark.index, value.end_mark.index, replacement
    metadata = dict(_pairs(fields.get("metadata")))
    for key, value in _pairs(metadata.get("annotations")):
        if key == _COPY:
            yield value.start_mark.index, value.end_mark.index, UNRECORDED


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))


def keys_without_value(secret: Mapping[str, Any]) -> list[str]:
    """Return the keys of a Secret, read from a record, whose values are not in it."""
    fields = ((secret.get("data") or {}, _ENCODED), (secret.get("stringData") or {}, UNRECORDED))
    return [key for values, placeholder in fields for key, value in values.items() if value == placeholder]
