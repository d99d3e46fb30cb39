"""A store of cache entries in a repository of a registry: an entry is an OCI artifact, and its key makes the tag.

Rules:

- A tag is the version, ``-``, and the key with every character that a tag cannot have as ``_XX`` (UTF-8, hexadecimal).
  So keys with a prefix have tags with a prefix. A key that is too long is cut, and its hash follows ``_.``.
- The manifest has the entry in an annotation, and the content as its only layer. It is pushed last: an entry that was
  not pushed completely has no tag.
- A registry may show a blob that another run is still pushing, and refuse what refers to it (Docker's does): an entry
  that was refused is pushed again, unless the other run's has appeared.
- The content is checked against its digest before it is given out.
- A registry does not say when something was last used: that is when it was saved.

Left to others: requests (``registry_client``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPException
from typing import IO, Any, Final

from monopod.system.caches.content import Source
from monopod.system.caches.entry_json import from_json, to_json
from monopod.system.caches.keys import Entry, choose
from monopod.system.caches.registry_client import AnswerError, Login, RegistryClient
from monopod.system.caches.store import AwayError, Damage, Draft, Pack, StoreError

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_ARTIFACT: Final = "application/vnd.monopod.cache.v1"
_CONTENT: Final = "application/vnd.monopod.cache.content.v1.tar+gzip"
_ENTRY: Final = "dev.monopod.cache.entry"
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_LONGEST_TAG: Final = 128
_CUT: Final = "_."
_TAG = re.compile(r"[0-9a-f]{16}-[\w.-]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9.-]", re.ASCII)
_CHUNK: Final = 1 << 18
_PASSING: Final = {400, 404, 408, 409, 429, 500, 502, 503, 504}
"""Statuses of answers that may be others a moment later."""
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the attempts to push an entry."""


class RegistryStore:
    """The store in a repository. `scratch` is a directory for the content of one entry, by default the system's."""

    def __init__(self, host: str, repository: str, login: Login, scratch: str | None = None) -> None:
        self._client = RegistryClient(host, repository, login)
        self._scratch = scratch

    def find(self, version: str, key: str, restore_keys: Sequence[str]) -> Entry | None:
        """Return the entry to restore."""
        exact = self._entry(tag_of(version, key))
        if exact is not None and (exact.version, exact.key) == (version, key):
            return exact
        prefixes = [prefix for prefix in (key, *restore_keys) if prefix]
        tags = [tag for tag in self._client.tags() if _may_start_with(tag, version, prefixes)]
        return choose((entry for entry in self._read(tags) if entry.version == version), key, restore_keys)

    def has(self, version: str, key: str) -> bool:
        """Return whether there is an entry with exactly this key."""
        return self._entry(tag_of(version, key)) is not None

    @contextlib.contextmanager
    def opened(self, entry: Entry) -> Iterator[Source]:
        """Give the content of an entry."""
        with self._temporary() as file:
            digest, size = hashlib.sha256(), 0
            with self._client.blob(f"sha256:{entry.digest}") as response, _reading(self._client.name):
                while chunk := response.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > entry.size:
                        break
                    file.write(chunk)
            if (size, digest.hexdigest()) != (entry.size, entry.digest):
                raise StoreError(f"the content of the entry '{entry.key}' is damaged")
            file.seek(0)
            yield file

    def save(self, draft: Draft, pack: Pack) -> Entry | None:
        """Save an entry, unless its key exists."""
        if self.has(draft.version, draft.key):
            return None
        with self._temporary() as file:
            digest = hashlib.sha256()

            def write(data: bytes) -> None:
                digest.update(data)
                with _reading("the disk"):
                    file.write(data)

            parts = pack(write)
            now = time.time()
            entry = Entry(*draft, now, now, file.tell(), digest.hexdigest(), parts)
            for seconds in _PAUSES:
                try:
                    return self._pushed(entry, file)
                except AnswerError as error:
                    if error.status not in _PASSING:
                        raise
                time.sleep(seconds)
            return self._pushed(entry, file)

    def _pushed(self, entry: Entry, content: IO[bytes]) -> Entry | None:
        """Push an entry and return it; None if another run was faster."""
        tag = tag_of(entry.version, entry.key)
        if self._entry(tag) is not None:
            return None
        content.seek(0)
        self._client.push_blob(f"sha256:{entry.digest}", entry.size, content)
        self._client.push_blob(_digest(_EMPTY), len(_EMPTY), _EMPTY)
        if self._entry(tag) is not None:
            return None
        self._client.put(f"manifests/{tag}", _manifest(entry), _MANIFEST)
        return entry

    def entries(self) -> list[Entry]:
        """Return all entries, the newest first."""
        entries = self._read(tag for tag in self._client.tags() if _TAG.fullmatch(tag))
        return sorted(entries, key=lambda entry: (-entry.created, entry.key))

    def remove(self, entry: Entry) -> None:
        """Remove an entry."""
        answer = self._client.get(f"manifests/{tag_of(entry.version, entry.key)}", _MANIFEST)
        if answer.status == 200:
            self._client.delete(f"manifests/{_digest(answer.content)}")

    @property
    def damaged(self) -> Sequence[Damage]:
        """Nothing: what is not an entry may be somebody else's artifact."""
        return ()

    def remove_damaged(self, damage: Damage) -> None:
        """Do nothing: there is none."""

    def _read(self, tags: Iterable[str]) -> list[Entry]:
        return [entry for entry in map(self._entry, tags) if entry is not None]

    def _entry(self, tag: str) -> Entry | None:
        """Return the entry with a tag; None if there is none, or something else."""
        answer = self._client.get(f"manifests/{tag}", _MANIFEST)
        try:
            manifest = json.loads(answer.content) if answer.status == 200 else {}
            entry = from_json(manifest["annotations"][_ENTRY])
            (layer,) = manifest["layers"]
            is_whole = (layer["digest"], layer["size"]) == (f"sha256:{entry.digest}", entry.size)
        except (ValueError, TypeError, KeyError):
            return None
        return entry if is_whole and tag == tag_of(entry.version, entry.key) else None

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[IO[bytes]]:
        try:
            file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  # closed below
        except OSError as error:
            raise StoreError(f"no room for the content of an entry: {error.strerror}") from error
        with file:
            yield file


def tag_of(version: str, key: str) -> str:
    """Return the tag of an entry."""
    tag = f"{version}-{_escaped(key)}"
    if len(tag) <= _LONGEST_TAG:
        return tag
    end = _CUT + hashlib.sha256(key.encode()).hexdigest()[:32]
    return tag[: _LONGEST_TAG - len(end)] + end


def _may_start_with(tag: str, version: str, prefixes: Iterable[str]) -> bool:
    """Return whether the key of an entry with a tag may start with one of these prefixes."""
    start, is_cut, _ = tag.partition(_CUT)
    wanted = [f"{version}-{_escaped(prefix)}" for prefix in prefixes]
    return any(start.startswith(each) or (is_cut and each.startswith(start)) for each in wanted)


def _escaped(key: str) -> str:
    return "".join(
        sign if _PLAIN.fullmatch(sign) else "".join(f"_{byte:02x}" for byte in sign.encode()) for sign in key
    )


def _manifest(entry: Entry) -> bytes:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.created))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": _ARTIFACT,
        "config": {"mediaType": _EMPTY_TYPE, "digest": _digest(_EMPTY), "size": len(_EMPTY)},
        "layers": [{"mediaType": _CONTENT, "digest": f"sha256:{entry.digest}", "size": entry.size}],
        "annotations": {"org.opencontainers.image.created": created, _ENTRY: to_json(entry)},
    }
    return json.dumps(manifest).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Raise StoreError instead of what reading or writing raises."""
    try:
        yield
    except TimeoutError as error:
        raise AwayError(f"{name}: does not answer in time") from error
    except OSError as error:
        raise StoreError(f"{name}: {error.strerror or error}") from error
    except HTTPException as error:
        raise StoreError(f"{name}: the connection was lost") from error
