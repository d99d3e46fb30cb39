"""A cache of fetched documents and images, in ``$XDG_CACHE_HOME/monopod`` (by default ``~/.cache/monopod``).

Rules:

- Content pinned by a commit or a digest is kept forever: its key always has the same content.
- Other content is only used with ``cache: always``, up to a maximum age.
- A damaged entry counts as missing. A cache that cannot be written only costs time.
- Only the owner can read it, since it may contain content fetched with a password.

Left to others: the keys (the resolvers).
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
    """Contents by key; a key is a few words. Without a directory nothing is kept."""

    directory: str | None

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> Cache:
        """Return the cache of the current user."""
        base = environment.get("XDG_CACHE_HOME") or ""
        if not os.path.isabs(base):  # the XDG Base Directory Specification says to ignore relative paths
            base = os.path.join(os.path.expanduser("~"), ".cache")
        return cls(os.path.join(base, "monopod", "remote"))

    def get(self, *key: str, max_age: float | None = None) -> bytes | None:
        """Return the content of a key if it is complete and at most `max_age` seconds old, otherwise None."""
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
        """Store content under a key, atomically."""
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
