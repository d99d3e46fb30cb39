"""Which store the caches of a run are kept in.

Rules:

- An option or the environment says so, else an annotation of the run, else of its Pipeline or Task; else it is the
  default. It is chosen only if a Task has a cache.
- Of a pool of claims a run uses one: the first that no Pod uses, as far as the user who starts the run can
  see. If all are in use, the run has no cache: it never waits for a claim.
- A registry that a Pod on this machine uses gets the login of this user, unless a Secret is named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from monopod.compiler.caches.store_option import CacheStore, parse_store
from monopod.compiler.diagnostics import Problem, Report
from monopod.compiler.documents.annotations import read
from monopod.compiler.documents.own_annotations import CACHE_STORE
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.run_selection import Run
from monopod.compiler.options import Options


@dataclass(slots=True)
class StoreChoice:
    """The choice of the store of a run. ``chosen`` is None until a Task needs it, and if there is none."""

    run: Run
    options: Options
    report: Report
    chosen: CacheStore | None = None
    _is_made: bool = field(default=False, init=False)

    def store(self, place: Place) -> CacheStore | None:
        """Return the store for a cache that is written at a place, None for no caching."""
        if not self._is_made:
            self._is_made = True
            self.chosen = self._choose(place)
        return self.chosen

    def _choose(self, place: Place) -> CacheStore | None:
        has_errors = self.report.has_errors
        store = self.options.cache_store or self._annotated() or self.options.default_cache_store
        if store is None:
            if self.report.has_errors == has_errors:
                message = "nothing is cached, since there is no store; name one with --cache-store, or - for none"
                self.report.add(place.problem("no-effect", message, "warning"))
            return None
        if store.kind == "claims" and len(store.names) > 1:
            return self._of_pool(store)
        return self._with_login(store) if store.kind == "registry" else store

    def _annotated(self) -> CacheStore | None:
        store = read(CACHE_STORE, self.run.annotations, parse_store, self.report)
        return None if store is None else store.value

    def _of_pool(self, pool: CacheStore) -> CacheStore | None:
        names = pool.names
        if self.options.free_claim is None:
            if not self.options.local:
                message = f"{pool.option}: only `monopod run` sees which claims are in use; this Pod uses '{names[0]}'"
                self.report.add(Problem(None, message, "no-effect", "warning"))
            return replace(pool, names=names[:1])
        namespace = self.options.namespace or self.run.document["metadata"].get("namespace")
        free = self.options.free_claim(namespace, names)
        if free is None:
            message = f"{pool.option}: Pods use all of these claims, so this run has no cache"
            self.report.add(Problem(None, message, "no-effect", "warning"))
            return None
        return replace(pool, names=(free,))

    def _with_login(self, store: CacheStore) -> CacheStore:
        if store.secret or not self.options.local:
            return store
        from monopod.compiler.remote.registry_credentials import (  # noqa: PLC0415  # few runs have such a store
            NOBODY,
            docker_configuration,
            login_of_user,
        )

        login = login_of_user(store.names[0], os.environ)
        return store if login == NOBODY else replace(store, login=docker_configuration(store.names[0], login))
