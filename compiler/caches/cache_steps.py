"""The Steps that restore and save the caches of a Task (``monopod.dev/cache``), before its first and after its last.

Rules:

- Paths and the patterns of ``hashFiles`` are in the Task's Workspaces or in the Steps' HOME, ``/tekton/home``: no other
  container sees what a Step writes elsewhere.
- Texts may refer to params, Workspaces and the context, which have their values when the Task starts.
- A cache never fails a Task: both Steps have ``onError: continue``.
- Without a store there are no Steps: every run misses.

Left to others: the annotation (``annotation``), the store (``store_option``), what the Steps do
(``coordinator.caches``).
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.compiler.caches.annotation import CacheSpec, KeyPart, key_parts
from monopod.compiler.caches.store_option import LOGIN_OBJECT, CacheStore
from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.text_in_document import TextPlace
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.scope.references import Names, check
from monopod.compiler.tasks.injected_steps import NONE, InjectedStep, InjectedSteps
from monopod.compiler.tasks.workspaces import TaskWorkspace, mount_of
from monopod.schemas.variables import Scope, references, substitute
from monopod.system.caches.requests import Cache, Hash, Request, Template, to_arguments

HOME: Final = "/tekton/home"
STORE_DIRECTORY: Final = "/monopod/cache"
_LOGIN_DIRECTORY = "/monopod/cache-login"
_SCRATCH = "/tekton"
_MODULE = "coordinator.caches"
_ROOTS = frozenset({"params", "workspaces", "context"})


@dataclass(frozen=True, slots=True)
class CacheScope:
    """What the caches of a Task may refer to.

    ``fixed`` are the variables whose values are known when compiling; ``receiver`` is the Task in messages, and
    ``taken`` are the names of its Steps.
    """

    names: Names
    fixed: Scope
    workspaces: Sequence[TaskWorkspace]
    receiver: str
    taken: Collection[str]
    report: Report


def cache_steps(
    caches: Iterable[tuple[CacheSpec, TextPlace]],
    choose_store: Callable[[Place], CacheStore | None],
    scope: CacheScope,
    draft: PodDraft,
) -> InjectedSteps:
    """Return the Steps of a Task for its caches; what is wrong with the caches is reported."""
    reader = _Reader(scope)
    read = [(spec, place, cache) for spec, place in caches if (cache := reader.cache(spec, place)) is not None]
    if not read:
        return NONE
    place = read[0][1].outer
    store = choose_store(place)
    if store is None or store.kind == "off":
        return NONE
    access = _access(store, draft, place)
    used = [workspace for workspace in scope.workspaces if workspace.name in reader.used]
    mounts = [mount_of(workspace, workspace.path) for workspace in used]
    roots = [*(workspace.path for workspace in used), HOME]
    request = Request("restore", access.store, access.options, roots, [cache for _, _, cache in read])
    name = _free_name("cache-restore", scope.taken)
    restore = InjectedStep(
        name,
        _MODULE,
        (f"/tekton/steps/step-{name}/results", *to_arguments(request)),
        (*mounts, *access.mounts),
        place,
        results=tuple(f"{field}-{number}" for number in range(len(read)) for field in ("key", "hit")),
        on_error="continue",
    )
    read_only = [{**mount, "readOnly": True} for mount in mounts]
    saved: dict[str, list[Cache]] = {"success": [], "always": []}
    for number, (spec, _, cache) in enumerate(read):
        found = {field: f"$(steps.{name}.results.{field}-{number})" for field in ("key", "hit")}
        if cache.policy != "pull":
            saved[spec.when].append(Cache(cache.policy, cache.paths, save_as=found["key"], hit=found["hit"]))
    after = [
        InjectedStep(
            _free_name("cache-save", scope.taken),
            _MODULE,
            ("-", *to_arguments(replace(request, verb="save", caches=saved[when]))),
            (*read_only, *access.mounts),
            place,
            on_error="continue",
            always=when == "always",
        )
        for when in saved
        if saved[when]
    ]
    return InjectedSteps((restore,), tuple(after))


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return a name that no Step of the author's has."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain((name,), numbered) if each not in taken)


@dataclass(frozen=True, slots=True)
class _Access:
    """How the Steps reach the store: its name and options for them, and mounts."""

    store: str
    options: dict[str, str]
    mounts: tuple[dict[str, Any], ...] = ()


def _access(store: CacheStore, draft: PodDraft, place: Place) -> _Access:
    source: dict[str, Any]
    if store.kind == "registry":
        options = {"scratch": _SCRATCH}
        if not (secret := store.secret or (LOGIN_OBJECT if store.login else "")):
            return _Access(f"oci:{store.names[0]}", options)
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        source = {"secret": {"secretName": secret, "items": items, "optional": True}}  # a cache prevents no run
        name = draft.volume(("cache-login",), source, place)
        mount = {"name": name, "mountPath": _LOGIN_DIRECTORY, "readOnly": True}
        return _Access(f"oci:{store.names[0]}", {**options, "login": f"{_LOGIN_DIRECTORY}/config.json"}, (mount,))
    if store.kind == "claims":
        source = {"persistentVolumeClaim": {"claimName": store.names[0]}}
    else:
        draft.cache_directory = store.names[0]
        source = {"hostPath": {"path": store.names[0], "type": "DirectoryOrCreate"}}
    name = draft.volume(("cache",), source, place)
    return _Access(f"dir:{STORE_DIRECTORY}", {}, ({"name": name, "mountPath": STORE_DIRECTORY},))


class _Reader:
    """Reads the caches of a Task. ``used`` are the names of the Workspaces that they need."""

    def __init__(self, scope: CacheScope) -> None:
        self.used: set[str] = set()
        self._scope = scope
        self._bound = {workspace.path: workspace for workspace in scope.workspaces if workspace.volume is not None}
        self._unbound = {workspace.name for workspace in scope.workspaces if workspace.volume is None}

    def cache(self, spec: CacheSpec, place: TextPlace) -> Cache | None:
        """Return a cache for the Steps; None if a Workspace that it is in is not bound, or something is wrong."""
        report = Report()
        key = key_parts(spec.key, place.at("key"), report)
        restore_keys = [
            key_parts(text, place.at("restoreKeys", index), report) for index, text in enumerate(spec.restore_keys)
        ]
        self._check_references(spec, place, report)
        if not report.has_errors and (missing := self._unbound_in(spec)) is not None:
            message = f"the Workspace '{missing}' is not bound, so nothing is cached"
            report.add(place.problem("no-effect", message, "note"))
            self._scope.report.extend(report.problems)
            return None
        cache = Cache(
            spec.policy,
            [self._inside(path, place.at("paths", index), report) for index, path in enumerate(spec.paths)],
            self._template(key, place.at("key"), report),
            [self._template(parts, place.at("restoreKeys", index), report) for index, parts in enumerate(restore_keys)],
        )
        self._scope.report.extend(report.problems)
        return None if report.has_errors else cache

    def _check_references(self, spec: CacheSpec, place: TextPlace, report: Report) -> None:
        for text, where in _texts(spec, place):
            refused = [reference for reference in references(text) if reference.path[0] not in _ROOTS]
            if refused:
                message = f"{refused[0].text}: a cache may refer to params, workspaces and context only; use a param"
                report.add(where.problem("unknown-reference", message))
            else:
                report.extend(check(text, "text", self._scope.names, where))

    def _unbound_in(self, spec: CacheSpec) -> str | None:
        """Return the optional Workspace without a volume that a cache needs, if any."""
        names = (
            reference.path[1]
            for text in (spec.key, *spec.restore_keys, *spec.paths)
            for reference in references(text)
            if reference.path[0] == "workspaces" and reference.path[-1] == "path"
        )
        return next((name for name in names if name in self._unbound), None)

    def _template(self, parts: Iterable[KeyPart], place: TextPlace, report: Report) -> Template:
        template: Template = []
        for part in parts:
            if isinstance(part, str):
                template.append(substitute(part, self._scope.fixed))
                continue
            patterns = []
            for pattern in part.patterns:
                negation = "!" if pattern.startswith("!") else ""
                patterns.append(negation + self._inside(pattern.removeprefix("!"), place, report))
            template.append(Hash("/", patterns))
        return template

    def _inside(self, text: str, place: TextPlace, report: Report) -> str:
        """Return the absolute path of a path or pattern, and note the Workspace that it is in."""
        path = substitute(text, self._scope.fixed)
        if path == "~" or path.startswith("~/"):
            path = HOME + path[1:]
        if not path.startswith("/"):
            if len(self._bound) != 1:
                number = "no Workspace" if not self._bound else "several Workspaces"
                message = f"'{text}' is relative, and {self._scope.receiver} has {number}; {_HOW}"
                report.add(place.problem("invalid-value", message))
                return path
            path = posixpath.join(next(iter(self._bound)), path)
        whole = posixpath.normpath(path.partition("$(")[0] or "/")
        roots = [root for root in (*self._bound, HOME) if whole == root or whole.startswith(f"{root}/")]
        if not roots:
            message = f"'{text}' is in no Workspace of {self._scope.receiver}, so no other Step sees it; {_HOW}"
            report.add(place.problem("invalid-value", message))
        elif (workspace := self._bound.get(max(roots, key=len))) is not None:
            self._use(workspace, place, report)
        return path

    def _use(self, workspace: TaskWorkspace, place: TextPlace, report: Report) -> None:
        self.used.add(workspace.name)
        if workspace.read_only and place.path[-2:-1] == ("paths",):
            report.add(place.problem("invalid-value", f"the Workspace '{workspace.name}' is read-only"))


_HOW = "use $(workspaces.NAME.path)/PATH, or ~/PATH in the Steps' HOME"


def _texts(spec: CacheSpec, place: TextPlace) -> Iterator[tuple[str, TextPlace]]:
    yield spec.key, place.at("key")
    for field, texts in (("restoreKeys", spec.restore_keys), ("paths", spec.paths)):
        for index, text in enumerate(texts):
            yield text, place.at(field, index)
