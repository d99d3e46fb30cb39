"""The content of an entry: some paths of a Pod as a gzip stream, and back.

Rules:

- The content is the segments (``files.tree_reading``) of the first path, of the second, and so on, each compressed on
  its own: together a gzip stream. How many segments each path has is in the entry.
- A path is looked up below its root, the top of a volume, without following symbolic links: a link in it is an error.
  So what a Task has put where a cached directory was cannot make a cache read or write anything else.
- What is restored is untrusted. Nothing outside the paths is written; there are no devices in segments, and set-user-ID
  bits are not set; links that lead out of their path are left out.
- What root restores belongs to the user that the path belonged to, so that Steps whose image has a user can change it.
- An entry of the same run is what its Steps have left: with `is_own`, links may lead anywhere, since nothing here
  follows them, and each file belongs to the user that it belonged to, with all bits of its mode.

Left to others: where the content is stored (``directory_store``, ``registry_store``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from monopod.system.caches.keys import Kind, Part
from monopod.system.files.tar_entries import BLOCK, MalformedError, unpack
from monopod.system.files.tree_reading import SEGMENT_BYTES, UnreadableError, Wanted, everything, read_segments
from monopod.system.files.tree_writing import Modes, TreeWriter, opened_root

_LONGEST_SEGMENT = SEGMENT_BYTES + 4096 * BLOCK
_GZIP = 31
_CHUNK = 1 << 18
_FASTEST: Final = 1
_FOR_ALL: Final = 0o777
"""The mode of the top of an emptyDir, which stays root's."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class CachedPath(NamedTuple):
    """A cached path: `relative` to its `root`, the top of a volume. `label` is how a person wrote it."""

    label: str
    root: str
    relative: str


class Source(Protocol):
    """A file to read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class Restored(NamedTuple):
    """What was restored: how many files, how many bytes in them, and the links that were left out."""

    files: int
    length: int
    left_out: tuple[str, ...]


def pack(
    paths: Sequence[CachedPath],
    write: Callable[[bytes], object],
    is_wanted: Wanted = everything,
    *,
    is_own: bool = False,
) -> tuple[Part, ...]:
    """Write the content of the paths, and return what there is of each.

    Raises OSError, tree_reading.UnreadableError, tree_reading.ChangedError.
    """
    parts = []
    for path in paths:
        with _opened_to_read(path) as (kind, root, owner):
            count = 0
            try:
                for segment in read_segments(root, is_wanted, has_owners=is_own) if kind != "absent" else ():
                    compressor = zlib.compressobj(_FASTEST, wbits=_GZIP)
                    write(compressor.compress(segment) + compressor.flush())
                    count += 1
            except UnreadableError as error:  # which has the name that no link can change
                raise UnreadableError(str(error).replace(f"{os.fsdecode(root)}/", f"{path.label}/")) from error
            parts.append(Part(kind, count, owner))
    return tuple(parts)


def restore(
    paths: Sequence[CachedPath],
    parts: Sequence[Part],
    source: Source,
    *,
    is_shared: bool = False,
    is_own: bool = False,
) -> Restored:
    """Write content to the paths. What is there already stays, unless the content has a file of the same name.

    `is_shared`: every user may do with the files what their owner may do. Raises MalformedError, OSError.
    """
    if len(parts) != len(paths):
        raise MalformedError("the entry has other paths")
    reader = _segments(source)
    files, length, left_out = 0, 0, []
    for path, part in zip(paths, parts, strict=True):
        if part.kind == "absent":
            continue
        with _opened_to_write(path, part, is_shared=is_shared) as (root, only):
            writer = TreeWriter(root, Modes(shared=is_shared), only_inside=not is_own, has_owners=is_own)
            try:
                for _ in range(part.segments):
                    writer.write(_checked(next(reader, None), only))
                writer.settle()
            finally:
                writer.close()
            if not is_own:
                _give_away(root, only, part.owner)
        files, length = files + writer.files, length + writer.length
        left_out += [f"{path.label}/{os.fsdecode(name)}" for name in writer.left_out]
    if next(reader, None) is not None:
        raise MalformedError("the entry has more content than it says")
    return Restored(files, length, tuple(left_out))


def _checked(segment: bytes | None, only: bytes) -> bytes:
    """Return a segment; with `only`, it may have nothing but a file of that name. Raises MalformedError."""
    if segment is None:
        raise MalformedError("the entry ends too early")
    if only and any((entry.path, entry.kind) != (only, "file") for entry, _ in unpack(segment)):
        raise MalformedError("the entry has more than the file that it says")
    return segment


def _segments(source: Source) -> Iterator[bytes]:
    """Yield the segments of content. Raises MalformedError."""
    rest = b""
    while rest or (rest := source.read(_CHUNK)):
        decompressor = zlib.decompressobj(wbits=_GZIP)
        segment = bytearray()
        try:
            while not decompressor.eof:
                segment += decompressor.decompress(rest, _LONGEST_SEGMENT + 1 - len(segment))
                if len(segment) > _LONGEST_SEGMENT:
                    raise MalformedError("a segment is too long")
                rest = decompressor.unconsumed_tail or (b"" if decompressor.eof else source.read(_CHUNK))
                if not rest and not decompressor.eof:
                    raise MalformedError("the content ends too early")
        except zlib.error as error:
            raise MalformedError(f"the content is not gzip: {error}") from None
        rest = decompressor.unused_data
        yield bytes(segment)


@contextlib.contextmanager
def _opened_to_read(path: CachedPath) -> Iterator[tuple[Kind, bytes, tuple[int, int]]]:
    """Give what a path is, a name for it that no link can change, and whom it belongs to."""
    names = _names(path)
    with contextlib.ExitStack() as stack:
        try:
            directory = _opened(stack, path, names[:-1])
            status = os.lstat(names[-1], dir_fd=directory) if names else os.fstat(directory)
        except FileNotFoundError:
            yield "absent", b"", (0, 0)
            return
        owner = status.st_uid, status.st_gid
        if stat.S_ISDIR(status.st_mode):
            inside = _opened(stack, path, names)
            yield "directory", b"/proc/self/fd/%d/." % inside, owner
        elif stat.S_ISREG(status.st_mode):
            yield "file", b"/proc/self/fd/%d/%s" % (directory, os.fsencode(names[-1])), owner
        else:
            raise _is_neither(path)


@contextlib.contextmanager
def _opened_to_write(path: CachedPath, part: Part, *, is_shared: bool) -> Iterator[tuple[bytes, bytes]]:
    """Give the directory for the content of a path; for a file, its parent and its name."""
    names = _names(path)
    only = b""
    if part.kind == "file":
        if not names:
            raise MalformedError("a file cannot be restored to the top of a volume")
        only = os.fsencode(names.pop())
    with contextlib.ExitStack() as stack:
        yield b"/proc/self/fd/%d" % _opened(stack, path, names, _Making(part.owner, is_shared)), only


class _Making(NamedTuple):
    """Whom the directories belong to that are made, and whether every user may write to them."""

    owner: tuple[int, int]
    is_shared: bool


def _opened(stack: contextlib.ExitStack, path: CachedPath, names: Sequence[str], making: _Making | None = None) -> int:
    """Open a directory below the root of a path without following links; make what is missing, if `making` is given."""
    current = os.open(path.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, current)
    for name in names:
        if making is not None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
                if making.is_shared:
                    os.chmod(name, _FOR_ALL, dir_fd=current)
                _give(name, current, making.owner)
        try:
            current = os.open(name, _DIRECTORY, dir_fd=current)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise _is_neither(path) from None
            raise
        stack.callback(os.close, current)
    return current


def _give_away(root: bytes, only: bytes, owner: tuple[int, int]) -> None:
    """Let what root has restored belong to a user: everything in a directory, or `only` one file."""
    if os.geteuid() != 0 or owner == (0, 0):
        return
    if only:
        with opened_root(root) as directory:
            _give(only, directory, owner)
        return
    for _, folders, files, directory in os.fwalk(root + b"/."):
        for name in (*folders, *files):
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_uid == 0:
                _give(name, directory, owner)
    with opened_root(root) as directory:
        if os.fstat(directory).st_uid == 0 and stat.S_IMODE(os.fstat(directory).st_mode) != _FOR_ALL:
            with contextlib.suppress(OSError):
                os.fchown(directory, *owner)


def _give(name: str | bytes, directory: int, owner: tuple[int, int]) -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a user namespace may not have this user
            os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)


def _names(path: CachedPath) -> list[str]:
    names = [name for name in path.relative.split("/") if name not in {"", "."}]
    if ".." in names:
        raise OSError(errno.EINVAL, "leads out of its volume", path.label)
    return names


def _is_neither(path: CachedPath) -> OSError:
    return OSError(errno.ELOOP, "it leads through a symbolic link, or is neither a file nor a directory", path.label)
