"""Files, links and directories as entries of a tar archive (POSIX pax), in bytes.

Rules:

- A large file is split into parts, each an entry of its own. The pax records ``MONOPOD.offset``, ``MONOPOD.size`` (of
  the whole file) and ``MONOPOD.more`` (further parts follow) say which part it is. What is in no part is a hole.
- Paths are bytes, relative, and separated by ``/``. Times are whole seconds since 1970, negative before.
- An entry has the numbers of its user and group, and bits of its mode beyond the permissions, only if somebody wants
  them; otherwise it is root's, and has none.
- `unpack` reads only what `pack` writes, since an archive may come from a hostile Pod: any other entry is an error. So
  are an absolute path, ``..``, and a path or target that the kernel would not take.

Pure. ``tree_reading`` and ``tree_writing`` connect it with directories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

BLOCK: Final = 512
Kind = Literal["file", "link", "directory"]

_TYPES: dict[Kind, bytes] = {"file": b"0", "link": b"2", "directory": b"5"}
_KINDS: dict[bytes, Kind] = {code: kind for kind, code in _TYPES.items()}
_PAX = b"x"
_NAME_BYTES = 100
_LATEST = 0o77777777777
_LARGEST_IN_HEADER = 0o7777777
MOST_USERS: Final = 2**32 - 1
"""How many numbers of users there can be, and of groups: the last one means none (Linux)."""
DEEPEST: Final = 256
"""How many names a path may have. Removing or listing a directory must not exceed the depth of Python's calls."""
_LONGEST_COMPONENT = 255
_LONGEST_TARGET = 4095
_OCTAL: Final = re.compile(rb" *([0-7]*)[\0 ]*")
_DECIMAL: Final = re.compile(rb"[0-9]{1,18}")
_SIGNED: Final = re.compile(rb"-?[0-9]{1,18}")
"""What a file offset or a time can hold."""
PERMISSIONS: Final = 0o777
_MODE = 0o7777


class MalformedError(ValueError):
    """The bytes are not an archive that `pack` made, or an entry leads out of its directory."""


class Entry(NamedTuple):
    """A file, or a part of it at ``offset``; a symbolic link to ``target``; or a directory.

    ``size`` is the size of the whole file. ``more``: further parts of the file follow. ``owner`` are the numbers of its
    user and group.
    """

    path: bytes
    kind: Kind
    mode: int = 0o644
    mtime: int = 0
    target: bytes = b""
    offset: int = 0
    size: int = 0
    more: bool = False
    owner: tuple[int, int] = (0, 0)


def pack(entry: Entry, data: bytes = b"") -> bytes:
    """Return an entry as blocks of an archive; `data` is the content of the part."""
    records = {}
    if len(entry.path) > _NAME_BYTES:
        records[b"path"] = entry.path
    if len(entry.target) > _NAME_BYTES:
        records[b"linkpath"] = entry.target
    if entry.kind == "file" and (entry.offset or entry.more or entry.size != len(data)):
        records[b"MONOPOD.offset"] = b"%d" % entry.offset
        records[b"MONOPOD.size"] = b"%d" % entry.size
        records[b"MONOPOD.more"] = b"%d" % entry.more
    if not 0 <= entry.mtime <= _LATEST:
        records[b"mtime"] = b"%d" % entry.mtime
    if max(entry.owner) > _LARGEST_IN_HEADER:
        records |= {b"uid": b"%d" % entry.owner[0], b"gid": b"%d" % entry.owner[1]}
    blocks = b""
    if records:
        if not _is_utf8(entry.path + entry.target):
            records = {b"hdrcharset": b"BINARY", **records}
        extended = b"".join(_record(key, value) for key, value in records.items())
        blocks = _header(b"PaxHeader", _PAX, len(extended)) + _padded(extended)
    name = entry.path[:_NAME_BYTES]
    mtime = min(max(entry.mtime, 0), _LATEST)
    target = entry.target[:_NAME_BYTES]
    kind, mode = _TYPES[entry.kind], entry.mode & _MODE
    header = _header(name, kind, len(data), mode, mtime=mtime, target=target, owner=entry.owner)
    return blocks + header + _padded(data)


def unpack(archive: bytes) -> Iterator[tuple[Entry, memoryview]]:
    """Yield the entries of an archive, each with its data. Raises MalformedError."""
    view, position = memoryview(archive), 0
    while position < len(view):
        records: dict[bytes, bytes] = {}
        kind, position, data = _next(view, position)
        if kind == _PAX:
            records = _parse_records(bytes(data))
            kind, position, data = _next(view, position)
        if kind not in _KINDS:
            raise MalformedError(f"unknown type of entry {kind!r}")
        header = view[position - BLOCK - _blocks(len(data)) :][:BLOCK]
        yield _entry(_KINDS[kind], bytes(header), records, len(data)), data


def components(path: bytes) -> list[bytes]:
    """Return the names in a path. Raises MalformedError unless it stays in its directory."""
    names = path.split(b"/")
    if not all(names) or b"\0" in path or any(name in (b".", b"..") for name in names):
        raise MalformedError(f"the path {path[:200]!r} leads out of its directory")
    if len(names) > DEEPEST:
        raise MalformedError(f"a path has more than {DEEPEST} names")
    if any(len(name) > _LONGEST_COMPONENT for name in names):
        raise MalformedError("a file name is longer than 255 bytes")
    return names


def stays_inside(path: bytes, target: bytes) -> bool:
    """Return whether a symbolic link at a path can only lead to what is in the directory that the path is below.

    ``..`` is allowed at the start of the target, up to the top of that directory: after a name, it would be the parent
    of what that name leads to.
    """
    if target.startswith(b"/"):
        return False
    names = [name for name in target.split(b"/") if name not in (b"", b".")]
    rising = next((index for index, name in enumerate(names) if name != b".."), len(names))
    return rising <= path.count(b"/") and b".." not in names[rising:]


def _entry(kind: Kind, header: bytes, records: dict[bytes, bytes], length: int) -> Entry:
    path = records.get(b"path") or header[:_NAME_BYTES].rstrip(b"\0")
    target = b""
    components(path)
    if kind == "link":
        target = records.get(b"linkpath") or header[157:257].rstrip(b"\0")
        if not target or b"\0" in target or len(target) > _LONGEST_TARGET:
            raise MalformedError(f"the link {path[:200]!r} has no valid target")
    if kind != "file" and length:
        raise MalformedError(f"{path[:200]!r} has data, and is not a file")
    offset, size = _number(records, b"MONOPOD.offset", 0), _number(records, b"MONOPOD.size", length)
    if offset + length > size:
        raise MalformedError(f"{path[:200]!r} is longer than it says")
    mode, mtime = _octal(header[100:108]) & _MODE, _number(records, b"mtime", _octal(header[136:148]), _SIGNED)
    more = _number(records, b"MONOPOD.more", 0) == 1
    return Entry(path, kind, mode, mtime, target, offset, size, more, _owner(header, records))


def _owner(header: bytes, records: dict[bytes, bytes]) -> tuple[int, int]:
    user, group = _number(records, b"uid", _octal(header[108:116])), _number(records, b"gid", _octal(header[116:124]))
    if max(user, group) >= MOST_USERS:
        raise MalformedError("the number of a user or group is out of range")
    return user, group


def _next(view: memoryview, position: int) -> tuple[bytes, int, memoryview]:
    """Return the type of the entry at a position, the position after it, and its data."""
    header = bytes(view[position : position + BLOCK])
    if len(header) < BLOCK or header[257:263] != b"ustar\0":
        raise MalformedError("this is not a tar archive")
    if _octal(header[148:156]) != _checksum(header):
        raise MalformedError("the checksum of a header is wrong")
    length = _octal(header[124:136])
    start = position + BLOCK
    if start + _blocks(length) > len(view):
        raise MalformedError("the archive ends too early")
    return header[156:157], start + _blocks(length), view[start : start + length]


def _header(
    name: bytes,
    kind: bytes,
    length: int,
    mode: int = 0o644,
    *,
    mtime: int = 0,
    target: bytes = b"",
    owner: tuple[int, int] = (0, 0),
) -> bytes:
    user, group = (min(number, _LARGEST_IN_HEADER) for number in owner)
    fields = name.ljust(_NAME_BYTES, b"\0") + b"%07o\0%07o\0%07o\0" % (mode, user, group)
    fields += b"%011o\0%011o\0" % (length, mtime) + b" " * 8 + kind + target.ljust(_NAME_BYTES, b"\0")
    header = (fields + b"ustar\00000").ljust(BLOCK, b"\0")
    return header[:148] + b"%06o\0 " % _checksum(header) + header[156:]


def _checksum(header: bytes) -> int:
    return sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, which starts with its own length."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _parse_records(text: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(text):
        digits, _, _ = text[start : start + 20].partition(b" ")
        end = start + int(digits) if digits.isdigit() else start
        record = text[start + len(digits) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if not (start < end <= len(text) and record.endswith(b"\n") and equals):
            raise MalformedError("a pax record is malformed")
        records[key] = value
        start = end
    return records


def _number(records: dict[bytes, bytes], key: bytes, default: int, form: re.Pattern[bytes] = _DECIMAL) -> int:
    digits = records.get(key)
    if digits is None:
        return default
    if form.fullmatch(digits) is None:
        raise MalformedError(f"{key.decode()} is not a number")
    return int(digits)


def _octal(field: bytes) -> int:
    number = _OCTAL.fullmatch(field)
    if number is None:
        raise MalformedError("a number in a header is malformed")
    return int(number[1] or b"0", 8)


def _padded(data: bytes) -> bytes:
    return data + bytes(_blocks(len(data)) - len(data))


def _blocks(length: int) -> int:
    """Return the bytes that so much data takes in an archive."""
    return -(-length // BLOCK) * BLOCK


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
