"""YAML text of an object of the Kubernetes API, formatted for readers and identical for equal objects.

Rules: block style, keys in their order, a text of several lines as a literal block, double quotes around anything that
YAML 1.1 or 1.2 might misread.

For large Pods, PyYAML's own writer would take a quarter of the whole compilation time, even with libyaml.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_NESTED = (dict, list, tuple)
_PLAIN = re.compile(
    r"-{0,2}[A-Za-z/$](?:[A-Za-z0-9_./$()=+@-]|:(?=[^\s])| (?=[^\s#]))*|\d+(?:\.\d+)?(?:m|[KMGTP]i|[kMGTP])"
)
_RESERVED = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)
_UNPRINTABLE_CHARACTERS = r"\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff"
_UNPRINTABLE = re.compile(f"[{_UNPRINTABLE_CHARACTERS}]")
_BLOCK = re.compile(rf"(?!\s)[^\x00-\x08\x0b-\x1f{_UNPRINTABLE_CHARACTERS}]+")


def to_yaml(value: dict[str, Any]) -> str:
    """Return the YAML document of `value`: mappings with texts as keys, sequences, texts, numbers, booleans, None."""
    if not value:
        return "{}\n"
    parts: list[str] = []
    _write_mapping(value, "", "", parts)
    return "".join(parts)


def _write_mapping(mapping: dict[str, Any], indent: str, lead: str, parts: list[str]) -> None:
    """Append the lines of a mapping that is not empty; `lead` is the text before its first key."""
    for key, value in mapping.items():
        start = f"{lead}{_scalar(key)}:"
        lead = indent
        if not value or not isinstance(value, _NESTED):
            parts.append(f"{start} {_leaf(value, indent)}\n")
            continue
        parts.append(f"{start}\n")
        if isinstance(value, dict):
            _write_mapping(value, indent + "  ", indent + "  ", parts)
        else:
            _write_sequence(value, indent, parts)


def _write_sequence(sequence: Sequence[Any], indent: str, parts: list[str]) -> None:
    for item in sequence:
        if not item or not isinstance(item, _NESTED):
            parts.append(f"{indent}- {_leaf(item, indent)}\n")
        elif isinstance(item, dict):
            _write_mapping(item, indent + "  ", f"{indent}- ", parts)
        else:
            parts.append(f"{indent}-\n")
            _write_sequence(item, indent + "  ", parts)


def _leaf(value: Any, indent: str) -> str:
    if isinstance(value, str):
        return _block(value, indent + "  ") if "\n" in value and _BLOCK.fullmatch(value) else _scalar(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, _NESTED):
        return "[]"
    if isinstance(value, float) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # YAML 1.1 reads 1e-05 as a text
    return json.dumps(value)


@lru_cache(maxsize=4096)  # most of a Pod's texts are the same few keys and values
def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))


def _block(text: str, indent: str) -> str:
    """Return a text of several lines that starts with a printable character as a literal block."""
    body = text.rstrip("\n")
    ending = len(text) - len(body)
    chomping = "-" if ending == 0 else "" if ending == 1 else "+"
    lines = [f"{indent}{line}" if line else "" for line in text.split("\n")]
    if ending:
        lines.pop()  # what follows the last line break
    return "\n".join([f"|{chomping}", *lines])
