"""What was fetched, kept for the next time, in ``$XDG_CACHE_HOME/monopod`` (by default ``~/.cache/monopod``).

Rules:

- What is pinned (by a commit, by a digest) is kept for ever: the same key always has the same content.
- What is not pinned is kept only for those who say ``cache: always``, and asked for again when it is older than they
  take.
- An entry that is damaged is none. A cache that cannot be written costs time, and nothing else.
- It may hold what was fetched with a password, so it can be read by its owner alone.

Left to others: what the keys are (the resolvers).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Cache:
    """Contents by keys, each key a few words. Without a directory nothing is kept."""

    directory: str | None

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> Cache:
        """Return the cache of whoever runs this."""
        base = environment.get("XDG_CACHE_HOME") or ""
        if not os.path.isabs(base):  # the XDG Base Directory Specification has relative ones ignored
            base = os.path.join(os.path.expanduser("~"), ".cache")
        return cls(os.path.join(base, "monopod", "remote"))

    def get(self, *key: str, max_age: float | None = None) -> bytes | None:
        """Return what was kept under the key, if it is there, whole, and at most `max_age` seconds old."""
        if self.directory is None:
            return None
        try:
            with open(self._path(key), "rb") as file:
                if max_age is not None and not 0 <= time.time() - os.fstat(file.fileno()).st_mtime <= max_age:
                    return None
                checksum, newline, content = file.read().partition(b"\n")
        except OSError:
            return None
        return content if newline and checksum.decode("ascii", "replace") == sha256(content).hexdigest() else None

    def put(self, content: bytes, *key: str) -> None:
        """Keep this under the key; readers see all of it or nothing."""
        if self.directory is None:
            return
        with contextlib.suppress(OSError):
            path = self._path(key)
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
            try:
                with open(descriptor, "wb") as file:
                    file.write(sha256(content).hexdigest().encode() + b"\n" + content)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise

    def _path(self, key: tuple[str, ...]) -> str:
        assert self.directory is not None
        name = sha256("\0".join(key).encode()).hexdigest()
        return os.path.join(self.directory, name[:2], name)
