"""OCI artifacts in a repository of a registry, each with an entry that describes it and one layer with its content.

Rules:

- A tag is the version of the entry, ``-``, and its key with every character that a tag cannot have as ``_XX`` (UTF-8,
  hexadecimal). So keys with a prefix have tags with a prefix. A key that is too long is cut, and its hash follows
  ``_.``.
- The manifest has the entry in an annotation. It is pushed last: what was not pushed completely has no tag.
- The content is written to a file first, since the registry must be told its digest, and may be sent it again. It is
  checked against its digest before it is given out. So its size is limited by the disk, not by memory.

Left to others: requests (``registry_client``), and what an artifact is for: entries of caches (``registry_store``),
Workspaces that cross from one Pod to another (``coordinator.workspaces.artifact``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException
from typing import IO, Any, Final, NamedTuple, TypeVar

from monopod.system import foreign_json
from monopod.system.caches.content import Source
from monopod.system.caches.entry_json import from_json, to_json
from monopod.system.caches.keys import Entry
from monopod.system.caches.registry_client import AnswerError, RegistryClient, UnreachableError
from monopod.system.caches.store import AwayError, Draft, Pack, StoreError

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CUT: Final = "_."
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_LONGEST_TAG: Final = 128
_PLAIN = re.compile(r"[A-Za-z0-9.-]", re.ASCII)
_CHUNK: Final = 1 << 18
_BUSY: Final = {408, 425, 429, 500, 502, 503, 504}
_CONTENDED: Final = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_UNKNOWN",
    "SIZE_INVALID",
}
"""What a registry says of a blob that somebody else is pushing too. Docker's says DIGEST_INVALID, most of all."""
_T = TypeVar("_T")


class ArtifactKind(NamedTuple):
    """What artifacts are for: their media type, that of their content, and the annotation that has their entry."""

    artifact_type: str
    content_type: str
    annotation: str


class RegistryArtifacts:
    """The artifacts of one kind in a repository. All methods raise StoreError.

    `scratch` is a directory for the content of one artifact, by default the system's.
    """

    def __init__(self, client: RegistryClient, kind: ArtifactKind, scratch: str | None = None) -> None:
        self._client = client
        self._kind = kind
        self._scratch = scratch

    def entry(self, tag: str) -> Entry | None:
        """Return the entry with a tag; None if there is none, or something else."""
        answer = self._client.get(f"manifests/{tag}", MANIFEST)
        try:
            manifest = foreign_json.loads(answer.content) if answer.status == 200 else {}
            entry = from_json(manifest["annotations"][self._kind.annotation])
            (layer,) = manifest["layers"]
            is_whole = (layer["digest"], layer["size"]) == (f"sha256:{entry.digest}", entry.size)
        except (ValueError, TypeError, KeyError):
            return None
        return entry if is_whole and tag == tag_of(entry.version, entry.key) else None

    @contextlib.contextmanager
    def opened(self, entry: Entry) -> Iterator[Source]:
        """Give the content of an entry, which is exactly what was pushed."""
        with self._temporary() as file:
            digest, size = hashlib.sha256(), 0
            with self._client.blob(f"sha256:{entry.digest}") as response:
                while size <= entry.size and (chunk := self._read(response)):
                    digest.update(chunk)
                    size += len(chunk)
                    _write(file, chunk)
                if size < entry.size and response.length:
                    raise UnreachableError(f"{self._client.name}: the connection was lost")
            if (size, digest.hexdigest()) != (entry.size, entry.digest):
                raise StoreError(f"the content of the entry '{entry.key}' is damaged")
            file.seek(0)
            yield file

    @contextlib.contextmanager
    def packed(self, draft: Draft, pack: Pack) -> Iterator[tuple[Entry, IO[bytes]]]:
        """Give a new entry and its content, to push. What `pack` raises is passed on."""
        with self._temporary() as file:
            digest = hashlib.sha256()

            def write(data: bytes) -> None:
                digest.update(data)
                _write(file, data)

            parts = pack(write)
            now = time.time()
            yield Entry(*draft, now, now, file.tell(), digest.hexdigest(), parts), file

    def push_content(self, entry: Entry, content: IO[bytes]) -> None:
        """Push the content of an entry, which has no tag until its manifest is pushed."""
        content.seek(0)
        self._client.push_blob(f"sha256:{entry.digest}", entry.size, content)
        self._client.push_blob(digest_of(_EMPTY), len(_EMPTY), _EMPTY)

    def push_manifest(self, entry: Entry) -> None:
        """Push the manifest of an entry. It replaces another one with the same tag."""
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.created))
        layer = {"mediaType": self._kind.content_type, "digest": f"sha256:{entry.digest}", "size": entry.size}
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self._kind.artifact_type,
            "config": {"mediaType": _EMPTY_TYPE, "digest": digest_of(_EMPTY), "size": len(_EMPTY)},
            "layers": [layer],
            "annotations": {"org.opencontainers.image.created": created, self._kind.annotation: to_json(entry)},
        }
        tag = tag_of(entry.version, entry.key)
        self._client.put(f"manifests/{tag}", json.dumps(manifest).encode(), MANIFEST)

    def _read(self, response: Source) -> bytes:
        try:
            return response.read(_CHUNK)
        except TimeoutError as error:
            raise AwayError(f"{self._client.name}: does not answer in time") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or "the connection was lost"
            raise UnreachableError(f"{self._client.name}: {reason}") from error

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[IO[bytes]]:
        try:
            file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  # closed below
        except OSError as error:
            raise StoreError(f"no room for the content of an entry: {error.strerror}") from error
        with file:
            yield file


def is_busy(error: StoreError) -> bool:
    """Return whether a registry that answered with an error may answer otherwise a moment later."""
    return isinstance(error, AnswerError) and error.status in _BUSY


def is_push_busy(error: StoreError) -> bool:
    """Return the same for an answer to a push: somebody else may be pushing the same."""
    return is_busy(error) or (isinstance(error, AnswerError) and (error.status == 409 or error.code in _CONTENDED))


def with_retries(action: Callable[[], _T], pauses: Iterable[float], passes: Callable[[StoreError], bool]) -> _T:
    """Do something with a registry, again after each pause (seconds) while it fails with an error that `passes`.

    Raises StoreError.
    """
    for seconds in pauses:
        try:
            return action()
        except StoreError as error:
            if not passes(error):
                raise
        time.sleep(seconds)
    return action()


def tag_of(version: str, key: str) -> str:
    """Return the tag of an entry."""
    tag = f"{version}-{escaped(key)}"
    if len(tag) <= _LONGEST_TAG:
        return tag
    end = CUT + hashlib.sha256(key.encode()).hexdigest()[:32]
    return tag[: _LONGEST_TAG - len(end)] + end


def escaped(key: str) -> str:
    """Return a key, or the beginning of one, as it is in a tag."""
    return "".join(
        sign if _PLAIN.fullmatch(sign) else "".join(f"_{byte:02x}" for byte in sign.encode()) for sign in key
    )


def digest_of(content: bytes) -> str:
    """Return the digest of some content, as a registry names it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise StoreError(f"no room for the content of an entry: {error.strerror}") from error
