"""The values of Secrets: what is masked of them.

A value is masked as a whole. If it is the content of a file (JSON, YAML, .env, .npmrc, .netrc), the passwords, tokens
and keys in it are masked as well, since a program that reads the file writes them without the rest.

Pure.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from monopod.runner.masking.forms import SHORTEST
from monopod.runner.masking.masks import Masks
from monopod.system import foreign_json

_SHORTEST_INSIDE = 6
_NAME = r"[\w.-]*(?:pass|pwd|secret|token|auth|key|credential)[\w.-]*"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_ASSIGNED = re.compile(rf"{_NAME}[\"']?\s*[:=]\s*[\"']?([^\s\"',;]+)", re.IGNORECASE)
_OF_NETRC = re.compile(r"\bpassword\s+(\S+)")
_IN_URL = re.compile(r"://[^\s:/@]*:([^\s/@]+)@")


def masks_of(secrets: Iterable[Mapping[str, Any]], problems: Iterable[str] = ()) -> Masks:
    """Return the masks for Secrets (v1). Its warnings are `problems`, and which values are too short."""
    masks = Masks()
    masks.warnings += problems
    for secret in secrets:
        name = (secret.get("metadata") or {}).get("name", "")
        short = []
        for key, value in values_of(secret).items():
            if not masks.add_value(value) and value.strip():
                short.append(key)
            for inner in _inside(value):
                masks.add(inner)
        if short:
            keys = ", ".join(f"'{key}'" for key in short)
            masks.warnings.append(
                f"Secret '{name}', key {keys}: fewer than {SHORTEST} characters are not masked in the output"
            )
    return masks


def values_of(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the values of a Secret by key; those that are not base64 are left out."""
    values = {}
    for key, text in (secret.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(str(text), validate=True)
        except (binascii.Error, ValueError):
            continue
    return {**values, **{key: str(text).encode() for key, text in (secret.get("stringData") or {}).items()}}


def _inside(value: bytes) -> Iterator[str]:
    """Yield the secrets in the content of a file."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    found = [match for pattern in (_ASSIGNED, _OF_NETRC, _IN_URL) for match in pattern.findall(text)]
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            found += _leaves(foreign_json.loads(text))
    yield from (each for each in dict.fromkeys(found) if len(each) >= _SHORTEST_INSIDE and "://" not in each)


def _leaves(data: Any) -> Iterator[str]:
    """Yield the texts in a JSON document whose names say that they are secret."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if isinstance(value, str) and _SECRET_NAME.fullmatch(str(name)):
                yield value
            else:
                yield from _leaves(value)
    elif isinstance(data, list):
        for item in data:
            yield from _leaves(item)
