"""Creates the ConfigMaps, Secrets and claims in a run's files before its Pod, and removes them with it.

Rules:

- If an object of the same name exists, it is used if its content is the same; otherwise the run does not start. monopod
  never changes or removes an object that somebody else created.
- The Pod owns the objects that monopod created (an owner reference), so that the cluster removes them with it even if
  the runner is gone.

``pod`` creates the Pod itself.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe, describe_creation
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, collection_path
from monopod.runner.kubernetes.retrying import patiently

_RESOURCES = {"ConfigMap": "configmaps", "Secret": "secrets", "PersistentVolumeClaim": "persistentvolumeclaims"}
_MERGE = "application/merge-patch+json"
_ENDING_SECONDS = 60
_LOOKS_PER_SECOND = 2


@dataclass(frozen=True, slots=True)
class _Made:
    path: str
    kind: str
    name: str
    uid: str


class ObjectsBeside:
    """The objects of one run in a namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._made: list[_Made] = []

    def make(self, compilation: Compilation) -> None:
        """Create the objects. Raises PodRefusedError, after deleting what it created, and UnreachableError."""
        documents = (*compilation.config_maps, *compilation.secrets, *compilation.claims)
        try:
            problems = [problem for document in documents if (problem := self._make(document)) is not None]
        except UnreachableError:
            self.delete()
            raise
        if problems:
            self.delete()
            raise PodRefusedError(problems)

    def belong_to(self, owning: Mapping[str, Any]) -> Iterable[str]:
        """Make a Pod or Job the owner of the objects; return the problems, for people."""
        owner = {key: owning[key] for key in ("apiVersion", "kind")}
        owner |= {key: owning["metadata"][key] for key in ("name", "uid")}
        problems = []
        for made in self._made:
            try:
                body = {"metadata": {"ownerReferences": [owner]}}
                change = partial(self._cluster.request, "PATCH", made.path, body=body, content_type=_MERGE)
                patiently(Request.CHANGE, change)
            except (ApiError, UnreachableError) as error:
                why = describe(error)
                problems.append(
                    f"{made.kind} '{made.name}' would stay if the {owning['kind']} were deleted by others: {why}"
                )
        return problems

    def delete(self) -> list[str]:
        """Delete the objects that `make` created; return the problems, for people."""
        problems = []
        for made in self._made:
            try:
                body = {"preconditions": {"uid": made.uid}}
                patiently(Request.CHANGE, partial(self._cluster.request, "DELETE", made.path, body=body))
            except ApiError as error:
                if about(Request.CHANGE, error) not in (About.GONE, About.CONFLICT):  # it was replaced by another
                    problems.append(f"{made.kind} '{made.name}' could not be deleted: {error.describe()}")
            except UnreachableError as error:
                problems.append(f"{made.kind} '{made.name}' could not be deleted: {error}")
        self._made.clear()
        return problems

    def _make(self, document: dict[str, Any]) -> str | None:
        """Create one object; return why it cannot be used, for people."""
        kind, metadata = document["kind"], document["metadata"]
        what = f"{kind} '{metadata['name']}'"
        if metadata.get("namespace", self._namespace) != self._namespace:
            return f"{what} is for namespace '{metadata['namespace']}', but the run is in '{self._namespace}'"
        collection = collection_path(_RESOURCES[kind], self._namespace)
        path = f"{collection}/{metadata['name']}"
        body = {**document, "metadata": {**metadata, "namespace": self._namespace}}
        try:
            made = self._create(collection, path, body)
        except ApiError as error:
            if about(Request.CREATE, error) is not About.EXISTS:
                return describe_creation(error, what, self._namespace)
            return self._why_not(path, document, what)
        self._made.append(_Made(path, kind, metadata["name"], made["metadata"]["uid"]))
        return None

    def _create(self, collection: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object; wait for an old one that is being deleted. Raises ApiError, UnreachableError."""
        pause = threading.Event()
        for _ in range(_ENDING_SECONDS * _LOOKS_PER_SECOND):
            try:
                return patiently(Request.CREATE, lambda: self._cluster.request("POST", collection, body=body))
            except ApiError as error:
                if about(Request.CREATE, error) is not About.EXISTS or not self._is_ending(path):
                    raise
            pause.wait(1 / _LOOKS_PER_SECOND)
        return self._cluster.request("POST", collection, body=body)

    def _is_ending(self, path: str) -> bool:
        with contextlib.suppress(ApiError):
            return "deletionTimestamp" in self._cluster.request("GET", path)["metadata"]
        return False

    def _why_not(self, path: str, document: dict[str, Any], what: str) -> str | None:
        try:
            existing = self._cluster.request("GET", path)
        except ApiError as error:
            return f"{what} is in namespace '{self._namespace}' already, and cannot be compared: {error.describe()}"
        if _says(existing, document):
            return None
        resource = path.rsplit("/", 2)[1]
        return (
            f"{what} is in namespace '{self._namespace}' already and differs from that in the files; take it out of "
            f"the files, rename it, or delete the other (kubectl delete {resource} {document['metadata']['name']})"
        )


def _says(existing: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether an object of the cluster has all fields of a given one, and a ConfigMap or Secret no other data."""
    if document["kind"] == "PersistentVolumeClaim":
        return _contains(existing.get("spec") or {}, document.get("spec") or {})
    return (
        _contents(existing) == _contents(document)
        and existing.get("type", "Opaque") == document.get("type", "Opaque")
        and bool(existing.get("immutable")) == bool(document.get("immutable"))
    )


def _contents(source: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the data of a ConfigMap or Secret, from all fields that can hold it."""
    is_secret = source["kind"] == "Secret"
    texts = source.get("stringData" if is_secret else "data") or {}
    encoded = source.get("data" if is_secret else "binaryData") or {}
    decoded = {key: base64.b64decode(str(value)) for key, value in encoded.items()}
    return {**decoded, **{key: str(value).encode() for key, value in texts.items()}}


def _contains(existing: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(existing, dict) and all(_contains(existing.get(key), value) for key, value in wanted.items())
    return bool(existing == wanted)
