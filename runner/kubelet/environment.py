"""Resolves the environment, command and arguments of a container as kubelet does.

Rules (Kubernetes API, Container, EnvVar and EnvFromSource): ``env`` wins over ``envFrom``, later entries over earlier
ones. ``$(NAME)`` refers to a variable that is defined before it in ``env`` or ``envFrom``, never to a variable of the
image; ``$$`` is ``$``; a reference to an undefined variable stays as it is. An `UnresolvedError` says what cannot be
resolved, and the container is not started.

Pure: the caller passes everything that is looked up.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Manifest = Mapping[str, Any]

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class Machine:
    """The downward API's data of the node."""

    node_name: str
    address: str
    processors: int
    memory: int
    disk: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that a Pod can refer to. ConfigMaps and Secrets are whole objects, by name."""

    pod: Manifest
    config_maps: Mapping[str, Manifest]
    secrets: Mapping[str, Manifest]
    machine: Machine


class UnresolvedError(Exception):
    """A reference to something that is missing or invalid. The text is for people."""


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """Return `text` with its ``$(NAME)`` references replaced; `lookup` returns None for an undefined name."""

    def replacement(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        value = lookup(match[1])
        return match[0] if value is None else value

    return _REFERENCE.sub(replacement, text)


def expand_strictly(text: str, lookup: Callable[[str], str | None]) -> str:
    """Like `expand`, for ``subPathExpr``: raises UnresolvedError for an undefined name."""

    def required(name: str) -> str:
        value = lookup(name)
        if value is None:
            raise UnresolvedError(f"{text!r} refers to {name!r}, which the container's env does not define")
        return value

    return expand(text, required)


def container_environment(container: Manifest, sources: Sources) -> tuple[dict[str, str], list[str]]:
    """Return the variables that ``envFrom`` and ``env`` define, and warnings about names that cannot be used.

    Raises UnresolvedError.
    """
    variables: dict[str, str] = {}
    warnings = []
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        for key, value in _environment_source(source, sources).items():
            if usable_name(prefix + key):
                variables[prefix + key] = value
            else:
                warnings.append(f"container {container['name']}: ignoring {prefix + key!r}: not a valid variable name")
    for entry in container.get("env") or ():
        own = _value_of(entry, container, sources, variables)
        if own is not None:
            variables[entry["name"]] = own
    for name, value in variables.items():
        if "\0" in value:
            raise UnresolvedError(f"the value of {name} contains a NUL character")
    return variables, warnings


def usable_name(name: str) -> bool:
    """Whether kubelet accepts `name` as the name of a variable: printable ASCII without ``=``."""
    return bool(name) and name.isascii() and name.isprintable() and "=" not in name


def _environment_source(source: Manifest, sources: Sources) -> dict[str, str]:
    if reference := source.get("configMapRef"):
        data = find_config_map(reference, sources)
        return {} if data is None else {key: _text(key, data[key]) for key in sorted(data)}
    if reference := source.get("secretRef"):
        data = find_secret(reference, sources)
        return {} if data is None else {key: _text(key, data[key]) for key in sorted(data)}
    raise UnresolvedError("an entry of envFrom has neither configMapRef nor secretRef")


def _value_of(entry: Manifest, container: Manifest, sources: Sources, variables: dict[str, str]) -> str | None:
    """Return the value of an entry of ``env``; None if it refers to something optional that is missing."""
    origin = entry.get("valueFrom")
    if not origin:
        return expand(entry.get("value") or "", variables.get)
    if reference := origin.get("configMapKeyRef"):
        return _key(reference, find_config_map(reference, sources), "ConfigMap")
    if reference := origin.get("secretKeyRef"):
        return _key(reference, find_secret(reference, sources), "Secret")
    if reference := origin.get("fieldRef"):
        return field_value(reference["fieldPath"], sources)
    if reference := origin.get("resourceFieldRef"):
        return resource_value(reference, container, sources)
    raise UnresolvedError(f"env {entry['name']}: valueFrom has no supported source")


def _key(reference: Manifest, data: Mapping[str, bytes] | None, kind: str) -> str | None:
    key = reference["key"]
    if data is not None and key in data:
        return _text(key, data[key])
    if reference.get("optional"):
        return None
    raise UnresolvedError(f"{kind} {reference.get('name')!r} has no key {key!r}")


def _text(key: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UnresolvedError(f"key {key!r} is not UTF-8 text, so it cannot be the value of a variable") from error


def find_config_map(reference: Manifest, sources: Sources) -> dict[str, bytes] | None:
    """Return the data of the ConfigMap that `reference` names; None if it is optional and missing."""
    config_map = _find(reference, sources.config_maps, "ConfigMap")
    if config_map is None:
        return None
    data = {key: text.encode() for key, text in (config_map.get("data") or {}).items()}
    return data | _decoded(config_map.get("binaryData"), "ConfigMap", reference)


def find_secret(reference: Manifest, sources: Sources) -> dict[str, bytes] | None:
    """Return the data of the Secret that `reference` names; None if it is optional and missing."""
    secret = _find(reference, sources.secrets, "Secret")
    if secret is None:
        return None
    texts = {key: text.encode() for key, text in (secret.get("stringData") or {}).items()}
    return _decoded(secret.get("data"), "Secret", reference) | texts


def _find(reference: Manifest, objects: Mapping[str, Manifest], kind: str) -> Manifest | None:
    name = reference.get("name") or reference.get("secretName") or ""
    if name in objects:
        return objects[name]
    if reference.get("optional"):
        return None
    raise UnresolvedError(f"there is no {kind} {name!r}; give it in a file (-f)")


def _decoded(data: Mapping[str, str] | None, kind: str, reference: Manifest) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(text, validate=True) for key, text in (data or {}).items()}
    except binascii.Error as error:
        name = reference.get("name") or reference.get("secretName")
        raise UnresolvedError(f"{kind} {name!r} holds something that is not base64: {error}") from error


def field_value(path: str, sources: Sources) -> str:
    """Return the downward API's value for ``fieldRef.fieldPath``. Raises UnresolvedError."""
    metadata = sources.pod.get("metadata") or {}
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{_quoted(pairs[key])}"' for key in sorted(pairs))
    spec = sources.pod.get("spec") or {}
    address = sources.machine.address
    fields = {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", "default"),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": sources.machine.node_name,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": address,
        "status.hostIPs": address,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path not in fields:
        raise UnresolvedError(f"the downward API has no field {path!r}")
    return str(fields[path])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(reference: Manifest, container: Manifest | None, sources: Sources) -> str:
    """Return the downward API's value for a ``resourceFieldRef``. Raises UnresolvedError.

    An unset limit is the node's capacity; an unset request is the limit, or 0 if that is unset too.
    """
    from monopod.schemas.formats.quantity import parse  # noqa: PLC0415  # pydantic takes its time

    if name := reference.get("containerName"):
        spec = sources.pod["spec"]
        everything = [*(spec.get("initContainers") or ()), *spec["containers"]]
        container = next((entry for entry in everything if entry["name"] == name), None)
    if container is None:
        raise UnresolvedError(f"resourceFieldRef: the Pod has no container {name!r}")
    kind, _, resource = reference["resource"].partition(".")
    whole = {"cpu": sources.machine.processors, "memory": sources.machine.memory}
    whole["ephemeral-storage"] = sources.machine.disk
    if kind not in ("limits", "requests") or resource not in whole:
        raise UnresolvedError(f"resourceFieldRef: unknown resource {reference['resource']!r}")
    resources = container.get("resources") or {}
    written = (resources.get("limits") or {}).get(resource)
    if kind == "requests":
        written = (resources.get("requests") or {}).get(resource, written)
    try:
        amount = parse(str(written)) if written is not None else Fraction(whole[resource] if kind == "limits" else 0)
        divisor = parse(str(reference.get("divisor") or "1")) or Fraction(1)
    except ValueError as error:
        raise UnresolvedError(str(error)) from error
    return str(math.ceil(amount / divisor))


def expanded(words: Iterable[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command or its arguments with their references replaced."""
    return tuple(expand(word, variables.get) for word in words)
