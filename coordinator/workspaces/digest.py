"""The Step that computes the digest of a Workspace and reports it as an Artifact of the Task.

``python3 -P -S -m monopod.coordinator.workspaces.digest NAME DIRECTORY FILE`` writes FILE, Tekton's provenance.json
(docs/artifacts.md), with one output called NAME.

Rules:

- The digest is the SHA-256 of a text with one record for each path, in the order of the paths' bytes. A record is
  ``KIND CONTENT PATH``, separated by blanks, and ends with a NUL. KIND is ``f`` for a file, ``x`` for an executable one
  (its owner may execute it), ``l`` for a symbolic link and ``d`` for a directory; CONTENT is the SHA-256 of the file's
  content or of the link's target, in hexadecimal, and ``-`` for a directory; PATH is relative to the Workspace.
- Times, owners and other modes are not in it: equal content has an equal digest on each backend.
- A socket, a FIFO or a device has no content. KIND is ``s``, ``p``, ``b`` or ``c``, and CONTENT is ``-``.

Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Sequence

from monopod.coordinator.workspaces.tree import File, UnusableError, kind_of, open_file, open_root, unusable, walk
from monopod.schemas.formats.sizes import format_count


def tree_digest(root: int) -> tuple[str, int]:
    """Return the digest of everything below a directory, and how many paths that is. Raises UnusableError."""
    records = {file.path: _record(file) for file in walk(root)}
    total = hashlib.sha256()
    for path in sorted(records):
        total.update(records[path] + path + b"\0")
    return total.hexdigest(), len(records)


def _record(file: File) -> bytes:
    mode = file.status.st_mode
    try:
        if stat.S_ISREG(mode):
            kind = b"x" if mode & stat.S_IXUSR else b"f"
            with open(open_file(file.folder, file.name), "rb") as content:
                return kind + b" %s " % hashlib.file_digest(content, "sha256").hexdigest().encode()
        if stat.S_ISLNK(mode):
            target = os.readlink(file.name, dir_fd=file.folder)
            return b"l %s " % hashlib.sha256(target).hexdigest().encode()
    except OSError as error:
        raise unusable("read", file.path, error) from error
    return kind_of(file.status).encode() + b" - "


def main(arguments: Sequence[str]) -> int:
    """Write the Artifact and return the exit code."""
    name, directory, path = arguments
    try:
        digest, count = tree_digest(open_root(directory))
    except UnusableError as error:
        print(f"{error}; the digest of a Workspace needs every file: run the Steps as a user that can read it")
        return 1
    value = {"uri": f"workspace:{name}", "digest": {"sha256": digest}}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"outputs": [{"name": name, "values": [value]}]}, file)
    print(f"sha256:{digest} ({format_count(count, 'path')})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
