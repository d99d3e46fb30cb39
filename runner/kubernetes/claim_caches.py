"""The caches in PersistentVolumeClaims of a cluster, listed and removed by a Pod for each claim.

Rules:

- The Pods are deleted whatever happens: after an error, and after Ctrl-C. Their names are chosen here, so that a Pod is
  deleted although the answer to its creation was lost. A Pod that is left because this process was killed ends by
  itself (``caches.reader_pod``), and the next command in the namespace deletes it.
- A claim that only one node can mount, and that a Pod uses, is reported and not read. So is a claim whose Pod does
  not start in time. The other claims are read.
- A claim without a volume yet has no entries. No Pod is created for it, since that would create the volume.

Left to others: what is printed, and which entries are removed (``commands.cache``).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from monopod.compiler.caches.reader_pod import CONTAINER, LABELS, LONGEST_SECONDS, reader_pod
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.caches.pruning import StoredDamage, StoredEntry
from monopod.runner.kubernetes.answers import Request
from monopod.runner.kubernetes.api_errors import ApiError, describe, describe_creation
from monopod.runner.kubernetes.claims_in_use import pods_with_claims
from monopod.runner.kubernetes.cluster import Cluster, PodName, UnreachableError, collection_path
from monopod.runner.kubernetes.pod_deletion import is_deleted
from monopod.runner.kubernetes.pod_states import describe_ending, ended_at, is_over, pod_trouble, statuses, troubles
from monopod.runner.kubernetes.retrying import patiently
from monopod.runner.signals import raising_interrupt
from monopod.schemas.formats.words import format_duration
from monopod.system.caches.directory_store import identity
from monopod.system.caches.entry_json import from_json
from monopod.system.caches.keys import Entry
from monopod.system.caches.store import Damage

START_SECONDS: Final = 120.0
"""How long a Pod may take to start by default."""
_LOOKS_PER_SECOND: Final = 4
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class _UnreadableError(Exception):
    """A claim cannot be read. The text says why."""


@dataclass(slots=True)
class ClaimCaches:
    """The caches in some claims of a namespace.

    ``image`` is the image of the Pods, None for the default one. ``problems`` are messages about claims that could not
    be read.
    """

    cluster: Cluster
    namespace: str
    claims: Sequence[str]
    image: str | None = None
    start_seconds: float = START_SECONDS
    problems: list[str] = field(default_factory=list)
    _damaged: dict[str, list[Damage]] = field(default_factory=dict)

    def stored(self) -> list[StoredEntry]:
        """Return the entries of all claims that can be read. Raises BackendUnavailableError."""
        read = self._read(dict.fromkeys(self.claims, ()))
        return [StoredEntry(entry, claim) for claim, entries in read.items() for entry in entries]

    def remove(self, stored: Iterable[StoredEntry]) -> Iterator[StoredEntry]:
        """Remove entries, and yield those that are removed. Raises BackendUnavailableError."""
        unwanted: dict[str, dict[str, StoredEntry]] = {}
        for each in stored:
            unwanted.setdefault(each.place, {})[_identity(each.entry)] = each
        for claim, entries in self._read({claim: tuple(names) for claim, names in unwanted.items()}).items():
            left = set(map(_identity, entries))
            yield from (each for name, each in unwanted[claim].items() if name not in left)

    def damaged(self) -> list[StoredDamage]:
        """Return what `stored` has met that is not an entry."""
        return [StoredDamage(damage, claim) for claim, damaged in self._damaged.items() for damage in damaged]

    def remove_damaged(self, damaged: Iterable[StoredDamage]) -> Iterator[StoredDamage]:
        """Remove what is not an entry, and yield what is removed. Raises BackendUnavailableError."""
        unwanted: dict[str, list[StoredDamage]] = {}
        for each in damaged:
            unwanted.setdefault(each.place, []).append(each)
        names = {claim: [os.path.basename(each.damage.path) for each in group] for claim, group in unwanted.items()}
        for claim in self._read(names):
            yield from (each for each in unwanted[claim] if each.damage not in self._damaged.get(claim, ()))

    def _read(self, claims: Mapping[str, Sequence[str]]) -> dict[str, list[Entry]]:
        """Remove the entries with these identities; return what the claims have then. Problems are noted."""
        used = pods_with_claims(self.cluster, self.namespace, "to see which claims are in use")
        read: dict[str, list[Entry]] = {}
        try:
            self._delete_leftovers()
            with raising_interrupt(*_ENDING), contextlib.ExitStack() as stack:
                started: dict[str, PodName] = {}
                for claim, removed in claims.items():
                    with self._noted(claim):
                        if self._has_volume(claim, used.get(claim)):
                            started[claim] = self._start(claim, removed, stack)
                        else:
                            read[claim] = []
                for claim, pod, last in self._ended(started):
                    with self._noted(claim):
                        read[claim], self._damaged[claim] = self._report(pod, last)
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.cluster.name} cannot be reached: {error}") from error
        return read

    @contextlib.contextmanager
    def _noted(self, claim: str) -> Iterator[None]:
        try:
            yield
        except _UnreadableError as error:
            self.problems.append(f"the claim '{claim}' was not read: {error}")
        except ApiError as error:
            self.problems.append(f"the claim '{claim}' was not read: {error.describe()}")

    def _has_volume(self, claim: str, user: str | None) -> bool:
        """Return whether a claim has a volume. Raises _UnreadableError if a Pod keeps it, ApiError."""
        path = f"{collection_path('persistentvolumeclaims', self.namespace)}/{quote(claim, safe='')}"
        try:
            found = self.cluster.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                raise _UnreadableError(f"it does not exist in namespace '{self.namespace}'") from error
            raise
        modes = (found.get("spec") or {}).get("accessModes") or ()
        if user is not None and "ReadWriteMany" not in modes:
            kinds = ", ".join(modes) or "one node"
            raise _UnreadableError(f"the Pod '{user}' uses it, and it cannot be shared ({kinds}); try again later")
        return (found.get("status") or {}).get("phase") != "Pending"

    def _start(self, claim: str, removed: Sequence[str], stack: contextlib.ExitStack) -> PodName:
        """Create the Pod for a claim, which is deleted with `stack`. Raises _UnreadableError."""
        name = PodName(self.namespace, f"monopod-cache-{secrets.token_hex(4)}")
        body = reader_pod(name.name, claim, removed, self.image)
        stack.callback(self._delete, name)
        try:
            patiently(Request.CREATE, lambda: self.cluster.request("POST", name.collection, body=body))
        except ApiError as error:
            raise _UnreadableError(describe_creation(error, f"Pod '{name.name}'", self.namespace)) from error
        return name

    def _delete(self, name: PodName) -> None:
        try:
            patiently(Request.CHANGE, lambda: self.cluster.request("DELETE", name.path, body={}))
        except (ApiError, UnreachableError) as error:
            if not is_deleted(error):
                self.problems.append(f"{name} could not be deleted: {describe(error)}")

    def _delete_leftovers(self) -> None:
        """Delete Pods of commands that were killed: those that ended long ago."""
        query = [("labelSelector", ",".join(f"{name}={value}" for name, value in LABELS.items()))]
        listed = self.cluster.request("GET", collection_path("pods", self.namespace), query)
        for pod in listed.get("items") or ():
            if is_over(pod) and (ended_at(pod) or time.time()) < time.time() - LONGEST_SECONDS:
                self._delete(PodName(self.namespace, pod["metadata"]["name"]))

    def _ended(self, pods: Mapping[str, PodName]) -> Iterator[tuple[str, PodName, dict[str, Any] | str]]:
        """Yield each claim with its Pod as soon as that is over; or with the reason why it will not be."""
        waiting, pause, start = dict(pods), threading.Event(), time.monotonic()
        while waiting:
            for claim, name in list(waiting.items()):
                pod = patiently(Request.OBJECT, partial(self.cluster.request, "GET", name.path))
                late = _why_late(pod, time.monotonic() - start, self.start_seconds)
                if is_over(pod) or late:
                    del waiting[claim]
                    yield claim, name, pod if is_over(pod) else f"{late}{self._event(name)}"
            if waiting:
                pause.wait(1 / _LOOKS_PER_SECOND)

    def _event(self, name: PodName) -> str:
        """Return what an Event says that keeps a Pod from starting, as the end of a sentence."""
        query = [("fieldSelector", f"involvedObject.name={name.name}")]
        with contextlib.suppress(ApiError):
            listed = self.cluster.request("GET", collection_path("events", self.namespace), query)
            found = [trouble.text for each in listed.get("items") or () if (trouble := pod_trouble(each)) is not None]
            return f": {found[-1]}" if found else ""
        return ""

    def _report(self, name: PodName, ended: dict[str, Any] | str) -> tuple[list[Entry], list[Damage]]:
        """Return the entries and the damage that a Pod has reported. Raises _UnreadableError, ApiError."""
        if isinstance(ended, str):
            raise _UnreadableError(ended)
        if not any(status["name"] == CONTAINER and _has_run(status) for status in statuses(ended)):
            raise _UnreadableError(f"its Pod failed: {_why_failed(ended)}")
        lines = patiently(Request.LOG, lambda: self._log(name))
        try:
            return _entries(lines)
        except ValueError:
            last = lines[-1].decode(errors="replace") if lines else _why_failed(ended)
            raise _UnreadableError(f"its Pod failed: {last}") from None

    def _log(self, name: PodName) -> list[bytes]:
        with self.cluster.stream(f"{name.path}/log", [("container", CONTAINER)]) as stream:
            return list(stream.lines())


def _entries(lines: Sequence[bytes]) -> tuple[list[Entry], list[Damage]]:
    """Return the entries and the damage in the log of a Pod. Raises ValueError if it is not whole, _UnreadableError."""
    *listed, end = map(json.loads, lines)
    if "problem" in end:
        raise _UnreadableError(str(end["problem"]))
    entries = [from_json(line["entry"], line["used"]) for line in listed if "entry" in line]
    if end != {"entries": len(entries)}:
        raise ValueError("the log is not whole")
    return entries, [Damage(*line["damaged"]) for line in listed if "damaged" in line]


def _why_late(pod: Mapping[str, Any], seconds: float, start_seconds: float) -> str:
    """Return why a Pod is not waited for any longer; empty if it is."""
    if any(status["name"] == CONTAINER and "running" in (status.get("state") or {}) for status in statuses(pod)):
        limit = start_seconds + LONGEST_SECONDS
        return f"its Pod did not end within {format_duration(limit)}" if seconds > limit else ""
    found = troubles(pod, lambda name: f"the container '{name}'")
    why = f": {'; '.join(trouble.text for trouble in found)}" if found else ""
    if any(trouble.hopeless for trouble in found) or seconds > start_seconds:
        return f"its Pod did not start within {format_duration(start_seconds)}{why}"
    return ""


def _why_failed(pod: Mapping[str, Any]) -> str:
    ended = [(status.get("state") or {}).get("terminated") or {} for status in statuses(pod)]
    messages = [f"{each.get('message') or each.get('reason')}" for each in ended if each.get("exitCode")]
    return describe_ending(pod) or "; ".join(messages) or "the cluster does not say why"


def _has_run(status: Mapping[str, Any]) -> bool:
    return bool(((status.get("state") or {}).get("terminated") or {}).get("finishedAt"))


def _identity(entry: Entry) -> str:
    return identity(entry.version, entry.key)
