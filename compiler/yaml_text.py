"""YAML text of an object of the Kubernetes API, as a person would write it, the same for equal objects.

Rules: block style, keys in the order they have, a text of several lines as a block of its own, anything that YAML 1.1
or 1.2 might take for something else in double quotes.

PyYAML's own writer needs a quarter of the time of a whole compilation for large Pods, even with libyaml.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(
    r"-{0,2}[A-Za-z/$](?:[A-Za-z0-9_./$()=+@-]|:(?=[^\s])| (?=[^\s#]))*|\d+(?:\.\d+)?(?:m|[KMGTP]i|[kMGTP])"
)
_RESERVED = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)
_UNPRINTABLE_CHARACTERS = r"\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff"
_UNPRINTABLE = re.compile(f"[{_UNPRINTABLE_CHARACTERS}]")
_BLOCK = re.compile(rf"(?!\s)[^\x00-\x08\x0b-\x1f{_UNPRINTABLE_CHARACTERS}]+")


def to_yaml(value: Mapping[str, Any]) -> str:
    """Return the YAML document of `value`: mappings with texts as keys, sequences, texts, numbers, booleans, None."""
    return "".join(_mapping_lines(value, ""))


def _mapping_lines(mapping: Mapping[str, Any], indent: str, first: str | None = None) -> Iterator[str]:
    """Yield the lines of a mapping; `first` is what stands before its first key, if not the indent."""
    lead = indent if first is None else first
    for key, value in mapping.items():
        yield f"{lead}{_scalar(key)}:"
        yield from _value_lines(value, indent)
        lead = indent


def _value_lines(value: Any, indent: str) -> Iterator[str]:
    """Yield the rest of the line on which a key stands, and the lines of its value."""
    if isinstance(value, Mapping) and value:
        yield "\n"
        yield from _mapping_lines(value, indent + "  ")
    elif isinstance(value, list | tuple) and value:
        yield "\n"
        yield from _sequence_lines(value, indent)
    else:
        yield f" {_leaf(value, indent)}\n"


def _sequence_lines(sequence: Sequence[Any], indent: str) -> Iterator[str]:
    for item in sequence:
        if isinstance(item, Mapping) and item:
            yield from _mapping_lines(item, indent + "  ", f"{indent}- ")
        elif isinstance(item, list | tuple) and item:
            yield f"{indent}-\n"
            yield from _sequence_lines(item, indent + "  ")
        else:
            yield f"{indent}- {_leaf(item, indent)}\n"


def _leaf(value: Any, indent: str) -> str:
    if isinstance(value, str):
        return _block(value, indent + "  ") if "\n" in value and _BLOCK.fullmatch(value) else _scalar(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if isinstance(value, float) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # YAML 1.1 takes 1e-05 for a text
    return json.dumps(value)


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
