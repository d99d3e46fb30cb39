"""The resolver ``hub``: a document from Artifact Hub or a Tekton Hub (Tekton docs/hub-resolver.md).

The latest version that satisfies the param ``version`` is used. The server is the param ``url``, the variable
ARTIFACT_HUB_API or TEKTON_HUB_API, or https://artifacthub.io.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from monopod.compiler.remote.http_resolver import check_url
from monopod.compiler.remote.reference import (
    TIMEOUT,
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)
from monopod.compiler.remote.urls import without_credentials
from monopod.compiler.remote.versions import Version, parse_constraints
from monopod.compiler.remote.web import WebError, request
from monopod.system import foreign_json
from monopod.system.time_limit import deadline_after

PARAMS = frozenset({"catalog", "type", "kind", "name", "version", "url"})

_VARIABLES = {"artifact": "ARTIFACT_HUB_API", "tekton": "TEKTON_HUB_API"}
_ARTIFACT_HUB = "https://artifacthub.io"
_CATALOGS = {
    ("artifact", "task"): "tekton-catalog-tasks",
    ("artifact", "pipeline"): "tekton-catalog-pipelines",
    ("tekton", "task"): "Tekton",
    ("tekton", "pipeline"): "Tekton",
    ("tekton", "stepaction"): "Tekton",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the params ask for; `version` may be a constraint."""

    hub: str
    kind: str
    catalog: str
    name: str
    version: str


def resolve(reference: RemoteReference, options: ResolverOptions) -> Resolved:
    """Return a document from a hub. Raises RemoteError."""
    asked = _asked(reference)
    hub, kind, catalog, name, asked_version = asked.hub, asked.kind, asked.catalog, asked.name, asked.version
    base = _base(reference, hub, options.environment)
    what = f"hub {without_credentials(base)} {kind} {catalog}/{name}"
    url = _url(base, hub, kind, catalog, name)
    deadline = deadline_after(TIMEOUT)
    version = _chosen(url, hub, asked_version, what, deadline)
    url = f"{url}/{quote(version, safe='')}" + ("" if hub == "artifact" else "/yaml")
    data = _member(_json(url, f"{what} {version}", deadline), "data")
    text = _member(data, "manifestRaw" if hub == "artifact" else "yaml")
    if not isinstance(text, str) or not text:
        raise RemoteError(f"{what} {version}: the answer contains no document; check the url and the type of the hub")
    content = text.encode()
    source = RefSource(without_credentials(url), (("sha256", hashlib.sha256(content).hexdigest()),))
    return Resolved(content, f"{what} {version}", source)


def address(reference: RemoteReference) -> Address:
    """Return the catalog and the name, and the document in it. Raises RemoteError."""
    asked = _asked(reference)
    names = (f"{asked.catalog}/{asked.name}", asked.name)
    return Address("hub", names, "catalog", "name", kind=asked.kind, name=asked.name, version=asked.version)


def _asked(reference: RemoteReference) -> _Asked:
    name, version = reference.required("name"), reference.required("version")
    hub = reference.one_of("type", ("artifact", "tekton"), "artifact")
    kind = reference.one_of("kind", ("task", "pipeline", "stepaction"), "task")
    catalog = reference.get("catalog") or _CATALOGS.get((hub, kind))
    if catalog is None:
        raise RemoteError(f"the resolver hub needs the param 'catalog' for a {kind}")
    return _Asked(hub, kind, catalog, name, version)


def _base(reference: RemoteReference, hub: str, environment: Mapping[str, str]) -> str:
    own_url = reference.get("url")
    base = own_url or environment.get(_VARIABLES[hub]) or (_ARTIFACT_HUB if hub == "artifact" else "")
    if not base:
        message = "the public Tekton Hub was shut down; name yours with the param 'url' or with TEKTON_HUB_API"
        raise RemoteError(message, "type")
    check_url(base, "url" if own_url else "")
    return base.rstrip("/")


def _url(base: str, hub: str, kind: str, catalog: str, name: str) -> str:
    catalog, name = quote(catalog, safe=""), quote(name, safe="")
    if hub == "artifact":
        return f"{base}/api/v1/packages/tekton-{kind}/{catalog}/{name}"
    return f"{base}/v1/resource/{catalog}/{kind}/{name}"


def _chosen(url: str, hub: str, constraint_text: str, what: str, deadline: float) -> str:
    """Return the latest version, as the hub writes it, that satisfies the constraint."""
    constraints = parse_constraints(constraint_text)
    if constraints is None:
        return constraint_text
    available: list[tuple[Version, str]] = []
    for text in _versions(_json(url, what, deadline), hub):
        version = Version.parse(text)
        if version is not None:
            available.append((version, text))
    fitting = [
        candidate for candidate in available if all(constraint.allows(candidate[0]) for constraint in constraints)
    ]
    if not fitting:
        known = ", ".join(text for _, text in sorted(available, reverse=True)) or "none"
        raise RemoteError(f"{what}: no version satisfies '{constraint_text}'; available: {known}", "version")
    return max(fitting)[1]


def _versions(answer: Any, hub: str) -> Iterable[str]:
    """Return the versions in a hub's answer, without pre-releases on Artifact Hub."""
    if hub == "artifact":
        listed = _member(answer, "available_versions")
    else:
        listed = _member(_member(answer, "data"), "versions")
    for item in listed if isinstance(listed, list) else ():
        version = _member(item, "version")
        if isinstance(version, str) and not _member(item, "prerelease"):
            yield version


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _json(url: str, what: str, deadline: float) -> Any:
    try:
        return foreign_json.loads(request(url, {"Accept": "application/json"}, deadline=deadline).content)
    except WebError as error:
        hint = "; check kind, catalog, name and version" if error.status == 404 else ""
        raise RemoteError(f"{what}: {error}{hint}") from error
    except ValueError as error:
        raise RemoteError(f"{what}: the answer is not JSON; check the url of the hub") from error
