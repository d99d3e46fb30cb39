"""The program of the Steps ``cache-restore`` and ``cache-save``: ``python3 -P -S -m monopod.coordinator.caches …``.

- ``restore`` computes the keys, restores what the store has, and writes two Results for each cache: ``key-N`` and
  ``hit-N`` (N counts from 0).
- ``save`` saves what was not restored with exactly its key.

Rules: a cache only saves time. Whatever is wrong with the store or an entry is a warning in the log and counts as a
miss; the exit code is 0. ``-`` as store turns caching off: nothing is found and nothing saved. A store that does not
answer in time is not asked again for another cache of the Task, neither to restore nor to save.

Left to others: the arguments (``system.caches.requests``), which entry it is (``system.caches.keys``), and the stores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence

from monopod.schemas.formats.sizes import format_count, format_files, format_size
from monopod.schemas.formats.visible_text import visible
from monopod.schemas.formats.words import format_age, format_duration
from monopod.system.caches import content, requests
from monopod.system.caches.hash_files import hash_files
from monopod.system.caches.keys import Entry, key_problem, version_of
from monopod.system.caches.requests import Cache, Hash, Hit, Request, Template
from monopod.system.caches.store import AwayError, Draft, Store, StoreError
from monopod.system.caches.stores import open_store
from monopod.system.files.tar_entries import MalformedError
from monopod.system.files.tree_reading import ChangedError, UnreadableError

OFF = "-"
"""The store that turns caching off."""
_HOME = "/tekton/home"
_MOST_LISTED = 10
_SHARED = "MONOPOD_SHARED_FILES"
"""The environment variable that says that every user must be able to use the files."""
_WHAT_FAILS = (StoreError, MalformedError, ChangedError, UnreadableError, OSError)


def main(arguments: Sequence[str], results: str = "") -> int:
    """Execute the request in the arguments and return the exit code; Results go to the directory `results`."""
    try:
        request = requests.parse(arguments)
    except requests.UsageError as error:
        print(f"usage: {error}", file=sys.stderr)
        return 2
    once = _OpenedStore(request)
    if request.verb == "restore":
        for number, cache in enumerate(request.caches):
            key, hit = _restored(request, cache, once)
            _write_result(results, f"key-{number}", key)
            _write_result(results, f"hit-{number}", hit)
    else:
        for cache in request.caches:
            _save(request, cache, once)
    return 0


class _OpenedStore:
    """The store of a request. ``is_away``: it did not answer in time."""

    def __init__(self, request: Request) -> None:
        self.is_away = False
        self._request = request
        self._store: Store | None = None
        self._reported: set[str] = set()

    def open(self) -> Store:
        """Return the store. Raises StoreError."""
        if self._store is None:
            self._store = open_store(self._request.store, self._request.options)
        return self._store

    def report_damage(self) -> None:
        """Warn of what was met in the store that is not an entry, once each."""
        for path, why in () if self._store is None else self._store.damaged:
            if path not in self._reported:
                self._reported.add(path)
                _say(f"warning: damaged entry {path}: {why}; `monopod cache prune` removes it")


# Restoring


def _restored(request: Request, cache: Cache, once: _OpenedStore) -> tuple[str, Hit]:
    """Restore a cache, and return its key (empty if it has none), and whether an entry had exactly this key."""
    key = ""
    try:
        key = _text_of(cache.key, request.roots)
        restore_keys = [_text_of(template, request.roots) for template in cache.restore_keys]
        if (problem := key_problem(key)) is not None:
            _say(f"skipped: {problem}")
            return "", "false"
        if cache.policy == "push" or request.store == OFF:
            _say(f"{'caching is off' if request.store == OFF else 'not restored (policy push)'}: {key}")
            return key, "false"
        if once.is_away:
            return key, "away"
        return key, "true" if _restore_entry(request, cache, key, restore_keys, once) else "false"
    except AwayError as error:
        once.is_away = True
        _say(f"not restored: {_reason(error)}; this Task caches nothing")
        return key, "away"
    except _WHAT_FAILS as error:
        _say(f"not restored: {_reason(error)}")
    finally:
        once.report_damage()
    return key, "false"


def _restore_entry(request: Request, cache: Cache, key: str, restore_keys: Sequence[str], once: _OpenedStore) -> bool:
    paths = list(_paths(request, cache))
    store = once.open()
    entry = store.find(_version(paths), key, restore_keys)
    if entry is None:
        _say(f"miss: {key}")
        return False
    start = time.monotonic()
    with store.opened(entry) as source:
        restored = content.restore(paths, entry.parts, source, is_shared=_SHARED in os.environ)
    found = f"hit: {key}" if entry.key == key else f"miss: {key}; restored the newest similar entry: {entry.key}"
    how_long = format_duration(time.monotonic() - start)
    _say(f"{found}, {format_files(restored.files, restored.length)} in {how_long}, {_age(entry)}")
    if restored.left_out:
        links = format_count(len(restored.left_out), "link")
        _say(f"left out {links} to a place outside the cached paths: {_listed(restored.left_out)}")
    return entry.key == key


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _age(entry: Entry) -> str:
    return f"saved {format_age(time.time() - entry.created)} ago"


# Saving


def _save(request: Request, cache: Cache, once: _OpenedStore) -> None:
    key = cache.save_as
    if cache.policy == "pull" or once.is_away:
        return
    if not key or key.startswith("$(steps."):  # the restore Step did not get that far
        _say("not saved: there is no key")
    elif request.store == OFF:
        _say(f"caching is off: {key}")
    elif cache.hit == "away":
        once.is_away = True
        _say("not saved, since the store did not answer in time before")
    elif cache.hit == "true":
        _say(f"not saved, since it was restored: {key}")
    else:
        try:
            _save_entry(once.open(), request, cache, key)
        except AwayError as error:
            once.is_away = True
            _say(f"not saved: {_reason(error)}")
        except _WHAT_FAILS as error:
            _say(f"not saved: {_reason(error)}")


def _save_entry(store: Store, request: Request, cache: Cache, key: str) -> None:
    paths = list(_paths(request, cache))
    start = time.monotonic()
    draft = Draft(key, _version(paths), tuple(path.label for path in paths))
    missing = [path.label for path in paths if not os.path.lexists(os.path.join(path.root, path.relative))]
    if len(missing) == len(paths):
        _say(f"not saved, since there is nothing at {', '.join(missing)}: {key}")
        return
    entry = store.save(draft, lambda write: content.pack(paths, write))
    if entry is None:
        _say(f"not saved, since the key exists: {key}")
    else:
        _say(f"saved: {key}, {format_size(entry.size)} in {format_duration(time.monotonic() - start)}")


# Keys and paths


def _text_of(template: Template, roots: Sequence[str]) -> str:
    return "".join(part if isinstance(part, str) else _hash(part, roots) for part in template)


def _hash(part: Hash, roots: Sequence[str]) -> str:
    return hash_files(part.patterns, part.directory, roots)


def _paths(request: Request, cache: Cache) -> Iterator[content.CachedPath]:
    """Yield the paths of a cache. Raises StoreError for a path that is in no volume of the Task."""
    for path in cache.paths:
        whole = os.path.normpath(path)
        roots = [root for root in request.roots if whole == root or whole.startswith(f"{root}/")]
        if not roots:
            raise StoreError(f"{path} is neither in a Workspace nor in {' or '.join(request.roots)}")
        root = max(roots, key=len)
        label = f"~{whole.removeprefix(_HOME)}" if root == _HOME else path
        yield content.CachedPath(label, root, whole[len(root) + 1 :])


def _version(paths: Sequence[content.CachedPath]) -> str:
    """Return the version: paths are equal if they have equal places in Workspaces, whatever these are called."""
    return version_of([f"{'~' if path.root == _HOME else ''}:{path.relative}" for path in paths])


# Output


def _write_result(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        file.write(text)


def _say(line: str) -> None:
    print(visible(f"cache {line}"), flush=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ChangedError):
        return f"{error} changed while it was read"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    return str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], sys.argv[1]))
