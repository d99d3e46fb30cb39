"""The values of ``-p NAME=VALUE`` and ``-w NAME=BINDING`` on the command line.

Rules:

- An array param is a JSON array, or its elements separated by commas, as with ``tkn``. An object param is a JSON
  object, or ``key:value`` pairs separated by commas.
- A binding is a folder of this machine, ``emptyDir``, ``pvc:CLAIM``, ``hostPath:DIRECTORY``, ``secret:NAME`` or
  ``configMap:NAME``. A folder starts with ``.``, ``/`` or ``~``, so that no other binding looks like one.
- It may also be written as with ``tkn``, as ``key=value`` pairs separated by commas: ``emptyDir=``,
  ``claimName=CLAIM``, ``config=NAME``, ``secret=NAME`` or
  ``volumeClaimTemplateFile=FILE``, each with ``subPath=DIRECTORY`` if needed, and
  ``item=KEY=PATH`` for some files of a ConfigMap or Secret.

Left to others: checking the names of params and Workspaces (``run_selection``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from monopod.schemas.formats.utf8 import checked_utf8
from monopod.schemas.plan import Value, ValueType
from monopod.system import foreign_json


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
        return foreign_json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON: {error}") from error


_SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "pvc": lambda name: {"persistentVolumeClaim": {"claimName": name}},
    "hostPath": lambda path: {"hostPath": {"path": checked_utf8(os.path.abspath(path))}},
    "secret": lambda name: {"secret": {"secretName": name}},
    "configMap": lambda name: {"configMap": {"name": name}},
}


def parse_binding(text: str) -> dict[str, Any]:
    """Return the volume source of a binding. Raises ValueError if the text is not a binding, or a folder."""
    key, equals, _ = text.partition("=")
    if equals and key in _TKN_KEYS:
        return _parse_tkn_binding(text)
    kind, _, rest = text.partition(":")
    if text == "emptyDir":
        return {"emptyDir": {}}
    if kind not in _SOURCES or not rest:
        folder = f"./{text}" if text and os.path.isdir(text) else "./DIRECTORY"
        raise ValueError(f"expected {folder}, emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME")
    return _SOURCES[kind](rest)


def parse_folder(text: str) -> str | None:
    """Return the absolute path of the folder that a binding names; None for any other binding.

    Raises ValueError if there is no such folder, or its path is not UTF-8.
    """
    first = text.partition("/")[0]
    if not text or (first not in ("", ".", "..") and not first.startswith("~")):
        return None
    path = checked_utf8(os.path.abspath(os.path.expanduser(text)))
    if os.path.isdir(path):
        return path
    if os.path.lexists(path):
        raise ValueError(f"{path} is not a directory; name the directory that it is in")
    raise ValueError(f"there is no directory {path}; make it, or name another")


_TKN_SOURCES = ("emptyDir", "claimName", "config", "secret", "volumeClaimTemplateFile", "csiFile")
_TKN_KEYS = (*_TKN_SOURCES, "subPath", "item")


def _parse_tkn_binding(text: str) -> dict[str, Any]:
    """Return the fields of a binding as ``tkn`` has it, without its name. Raises ValueError."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    for key, equals, _ in pairs:
        if key not in _TKN_KEYS or not equals:
            known = ", ".join(f"{each}=" for each in _TKN_KEYS)
            raise ValueError(f"'{key}' is not a part of a binding; expected {known}")
    sources = [(key, value) for key, _, value in pairs if key in _TKN_SOURCES]
    if len(sources) != 1:
        raise ValueError(f"expected one of {', '.join(f'{each}=' for each in _TKN_SOURCES)}")
    key, value = sources[0]
    fields = _tkn_source(key, value)
    paths = [value for key, _, value in pairs if key == "subPath"]
    items = [value.partition("=") for key, _, value in pairs if key == "item"]
    if items:
        source = fields.get("configMap", fields.get("secret"))
        if source is None or not all(name and path for name, _, path in items):
            raise ValueError("item=KEY=PATH needs a ConfigMap or a Secret")
        source["items"] = [{"key": name, "path": path} for name, _, path in items]
    return fields | ({"subPath": paths[-1]} if paths else {})


def _tkn_source(key: str, value: str) -> dict[str, Any]:
    if key == "emptyDir":
        return {"emptyDir": {"medium": value} if value else {}}
    if not value:
        raise ValueError(f"{key}= needs a value")
    if key == "csiFile":
        raise ValueError("csiFile= is not supported; write the csi volume in the workspaces of a PipelineRun")
    if key == "volumeClaimTemplateFile":
        return {"volumeClaimTemplate": _claim_template(value)}
    return _SOURCES[{"claimName": "pvc", "config": "configMap", "secret": "secret"}[key]](value)


def _claim_template(path: str) -> dict[str, Any]:
    from monopod.compiler.documents.validation import validate  # noqa: PLC0415  # rarely needed
    from monopod.compiler.documents.yaml_files import read_file  # noqa: PLC0415
    from monopod.schemas.kubernetes.claims import PersistentVolumeClaim  # noqa: PLC0415

    trees, problems = read_file(path)
    if problems:
        raise ValueError(str(problems[0]))
    if len(trees) != 1 or not isinstance(trees[0].data, dict):
        raise ValueError(f"{path}: expected one PersistentVolumeClaim")
    template: dict[str, Any] = trees[0].data
    _, complaints = validate(PersistentVolumeClaim, template)
    if complaints:
        raise ValueError(f"{path}: {complaints[0].message}")
    return template
