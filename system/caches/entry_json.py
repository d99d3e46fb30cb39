"""An entry of a cache as JSON, in a directory's ``entry.json`` and in the annotations of an OCI artifact.

What is read may come from anybody who can write to the store: anything unexpected is a `ValueError`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, get_args

from monopod.system import foreign_json
from monopod.system.caches.keys import Entry, Kind, Part, key_problem
from monopod.system.files.tar_entries import MOST_USERS

LONGEST: Final = 64 * 1024
_LATEST: Final = 253402300799
"""The end of the year 9999 in seconds since the epoch: what comes later is not a date."""
_LARGEST: Final = 2**63 - 1
"""The largest file (Linux)."""
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_KINDS: Final = frozenset(get_args(Kind))


def to_json(entry: Entry) -> str:
    """Return an entry as JSON. When it was last used is not part of it."""
    fields: dict[str, Any] = {name: value for name, value in entry._asdict().items() if name != "used"}
    return json.dumps(
        {**fields, "parts": [[part.kind, part.segments, *part.owner] for part in entry.parts]}, sort_keys=True
    )


def from_json(text: str | bytes, used: float = 0.0) -> Entry:
    """Return the entry in a text; `used` is when it was last used. Raises ValueError."""
    if len(text) > LONGEST:
        raise ValueError("it is too long")
    fields = foreign_json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("it is not an object")
    match [fields.get(name) for name in ("key", "version", "paths", "created", "size", "digest", "parts")]:
        case [str(key), str(version), list(paths), int() | float() as created, int(size), str(digest), list(parts)]:
            pass
        case _:
            raise ValueError("a field is missing or malformed")
    if (problem := key_problem(key)) is not None:
        raise ValueError(problem)
    if not all(isinstance(path, str) for path in paths):
        raise ValueError("its paths are malformed")
    if not 0 <= created <= _LATEST or not 0 <= size <= _LARGEST:
        raise ValueError("its date or its size is out of range")
    if _DIGEST.fullmatch(digest) is None:
        raise ValueError("its digest is not a SHA-256")
    when = float(created)
    return Entry(key, version, tuple(paths), when, max(used, when), size, digest, tuple(map(_part, parts)))


def _part(value: object) -> Part:
    match value:
        case [str(kind), int(segments), int(user), int(group)] if kind in _KINDS and segments >= 0:
            if 0 <= user < MOST_USERS and 0 <= group < MOST_USERS:
                return Part(kind, segments, (user, group))  # type: ignore[arg-type]  # it is one of them
    raise ValueError("its parts are malformed")
