"""The values of ``-p NAME=VALUE`` and ``-w NAME=BINDING`` on the command line.

Rules:

- An array param is a JSON array, or its elements separated by commas, as with ``tkn``. An object param is a JSON
  object, or ``key:value`` pairs separated by commas.
- A binding is a folder of this machine, ``emptyDir``, ``pvc:CLAIM``, ``hostPath:DIRECTORY``, ``secret:NAME`` or
  ``configMap:NAME``. A folder starts with ``.``, ``/`` or ``~``, so that no other binding looks like one.

Left to others: checking the names of params and Workspaces (``run_selection``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from monopod.schemas.plan import Value, ValueType


def parse_param(text: str, kind: ValueType) -> Value:
    """Return the value in a text for a param of a type. Raises ValueError if the text has another type."""
    if kind == "array":
        return _parse_array(text)
    return _parse_object(text) if kind == "object" else text


def _parse_array(text: str) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        elements = _parse_json(text)
        if not isinstance(elements, list) or not all(isinstance(element, str) for element in elements):
            raise ValueError('expected an array of strings, such as ["a", "b"] or a,b')
        return tuple(elements)
    return tuple(text.split(",")) if text else ()


def _parse_object(text: str) -> dict[str, str]:
    if text.lstrip().startswith("{"):
        value = _parse_json(text)
        if not all(isinstance(item, str) for item in value.values()):
            raise ValueError('expected an object of strings, such as {"key": "value"} or key:value')
        return dict(value)
    pairs = [pair.partition(":") for pair in text.split(",")] if text else []
    if not all(colon for _, colon, _ in pairs):
        raise ValueError('expected an object, such as {"key": "value"} or key:value,key:value')
    return {key.strip(): value for key, _, value in pairs}


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from error


_SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "pvc": lambda name: {"persistentVolumeClaim": {"claimName": name}},
    "hostPath": lambda path: {"hostPath": {"path": os.path.abspath(path)}},
    "secret": lambda name: {"secret": {"secretName": name}},
    "configMap": lambda name: {"configMap": {"name": name}},
}


def parse_binding(text: str) -> dict[str, Any]:
    """Return the volume source of a binding. Raises ValueError if the text is not a binding, or a folder."""
    kind, _, rest = text.partition(":")
    if text == "emptyDir":
        return {"emptyDir": {}}
    if kind not in _SOURCES or not rest:
        folder = f"./{text}" if text and os.path.isdir(text) else "./DIRECTORY"
        raise ValueError(f"expected {folder}, emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME")
    return _SOURCES[kind](rest)


def parse_folder(text: str) -> str | None:
    """Return the absolute path of the folder that a binding names; None for any other binding.

    Raises ValueError if there is no such folder.
    """
    first = text.partition("/")[0]
    if not text or (first not in ("", ".", "..") and not first.startswith("~")):
        return None
    path = os.path.abspath(os.path.expanduser(text))
    if os.path.isdir(path):
        return path
    if os.path.lexists(path):
        raise ValueError(f"{path} is not a directory; name the directory that it is in")
    raise ValueError(f"there is no directory {path}; make it, or name another")
