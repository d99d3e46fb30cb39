"""Resolving a remote reference to its document.

Rules:

- ``cache: always`` uses an answer of the last five minutes, as in Tekton; ``never`` bypasses the cache; otherwise
  pinned content is cached, by the rules of each resolver.
- What a rule of ``--resolve`` names, or a lock has, is read from a directory instead of being fetched.
- A param that the resolver does not know has no effect and is a warning.

Left to others: fetching (the resolvers), checking the document (``remote_documents``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote import bundles_resolver, cluster_resolver, git_resolver, http_resolver, hub_resolver
from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.local.sources import LocalSources
from monopod.compiler.remote.reference import (
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)

ALWAYS_MAX_AGE = 300.0
"""Seconds (Tekton docs/resolution.md, ``ttl``)."""

NO_SOURCES = LocalSources()


@dataclass(frozen=True, slots=True)
class _Resolver:
    resolve: Callable[[RemoteReference, ResolverOptions], Resolved]
    address: Callable[[RemoteReference], Address]
    params: frozenset[str]


_RESOLVERS = {
    "git": _Resolver(git_resolver.resolve, git_resolver.address, git_resolver.PARAMS),
    "http": _Resolver(http_resolver.resolve, http_resolver.address, http_resolver.PARAMS),
    "hub": _Resolver(hub_resolver.resolve, hub_resolver.address, hub_resolver.PARAMS),
    "bundles": _Resolver(bundles_resolver.resolve, bundles_resolver.address, bundles_resolver.PARAMS),
    "cluster": _Resolver(cluster_resolver.resolve, cluster_resolver.address, cluster_resolver.PARAMS),
}


def resolve(reference: RemoteReference, options: ResolverOptions, sources: LocalSources = NO_SOURCES) -> Resolved:
    """Return the document of a reference, from this machine if `sources` have it. Raises RemoteError."""
    resolver = _resolver_of(reference)
    warnings = tuple(_unknown(reference, resolver))
    address = resolver.address(reference)
    local = sources.find(reference, address)
    if local is not None:
        return replace(local, warnings=(*warnings, *local.warnings))
    try:
        resolved = _fetch(reference, resolver, options)
    except RemoteError as error:
        raise RemoteError(f"{error}{sources.hint(address)}", error.param) from error
    return replace(resolved, warnings=(*warnings, *resolved.warnings))


def address_of(reference: RemoteReference) -> Address:
    """Return what a reference names, without fetching it. Raises RemoteError."""
    return _resolver_of(reference).address(reference)


def _resolver_of(reference: RemoteReference) -> _Resolver:
    resolver = _RESOLVERS.get(reference.resolver)
    if resolver is None:
        hint = did_you_mean(reference.resolver, _RESOLVERS)
        message = f"there is no resolver '{reference.resolver}'{hint}; available: {', '.join(_RESOLVERS)}"
        raise RemoteError(message)
    return resolver


def _fetch(reference: RemoteReference, resolver: _Resolver, options: ResolverOptions) -> Resolved:
    mode = reference.one_of("cache", ("always", "never", "auto"), "auto") if "cache" in resolver.params else "auto"
    if mode == "never":
        options = replace(options, cache=Cache(None))
    key = ("answer", reference.kind, reference.resolver, options.context or "", json.dumps(sorted(reference.params)))
    kept = options.cache.get(*key, max_age=ALWAYS_MAX_AGE) if mode == "always" else None
    if kept is not None:
        return _from_json(json.loads(kept))
    resolved = resolver.resolve(reference, options)
    if mode == "always":
        options.cache.put(_to_json(resolved), *key)
    return resolved


def _unknown(reference: RemoteReference, resolver: _Resolver) -> list[str]:
    return [
        f"{reference.resolver} has no param '{name}', so it has no effect{did_you_mean(name, resolver.params)}"
        for name, _ in reference.params
        if name not in resolver.params
    ]


def _to_json(resolved: Resolved) -> bytes:
    source = resolved.source
    fields = [resolved.content.decode("latin-1"), resolved.origin, source.uri, source.digest, source.entry_point]
    return json.dumps(fields).encode()


def _from_json(fields: list[object]) -> Resolved:
    content, origin, uri, digest, entry_point = fields
    assert isinstance(digest, list)
    pairs = tuple((str(algorithm), str(value)) for algorithm, value in digest)
    return Resolved(str(content).encode("latin-1"), str(origin), RefSource(str(uri), pairs, str(entry_point)))
