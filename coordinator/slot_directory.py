"""The coordinator's side of a slot's `/tekton` and `/tekton/scripts`.

Rules:

- Steps can write below `/tekton`, so everything there is hostile: paths are walked one component at a time, symbolic
  links are not followed, and only regular files are read, up to a limit.
- A file that blocks a directory or file that must be created is removed.
- Directories are created with mode 0777 regardless of the umask, since a Step may run as any user.
- Files of an earlier attempt are renamed and then removed, a bounded number at a time. The directories stay, since the
  author may have mounted a volume on one. Only a directory with too many entries is renamed as a whole, which takes no
  longer for a million files than for one.

Left to others: which files are read, and what they mean (``engine``).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from monopod.coordinator.control_directory import discard, unused_name, write_file, write_link
from monopod.coordinator.engine.events import Verdict

MAX_RESULT_BYTES = 1024 * 1024
"""The largest file that is read as a Result."""
MAX_TOTAL_BYTES = 8 * 1024 * 1024
"""The most that is read for one Task."""

DEBUG_SCRIPTS: dict[str, Verdict] = {
    "debug-continue": "continue",
    "debug-fail-continue": "fail",
    "debug-beforestep-continue": "continue",
    "debug-beforestep-fail-continue": "fail",
}
"""The scripts that release a Step that is held, and to what (Tekton docs/debug.md)."""
_DEBUG_SCRIPT = "#!/monopod/bin/entrypoint {verdict}\n"  # it needs no shell

CONTAINER_PATH = "/tekton"
ATTEMPT_DIRECTORIES = ("results", "steps", "home", "artifacts", "run")
"""The directories that are empty in each attempt: in Tekton a retry has its own Pod. `run` exists as in Tekton."""

_REMOVALS = 1000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FilesRead(NamedTuple):
    """The texts of files by path, and why others could not be read.

    ``too_large``: one of them was too large. ``replaced``: files that are not UTF-8; invalid bytes became U+FFFD, as in
    Tekton.
    """

    texts: dict[str, str]
    problems: dict[str, str]
    too_large: bool
    replaced: tuple[str, ...]


class SlotDirectory:
    """The directory of one slot. Holds no descriptor between calls."""

    def __init__(self, path: str) -> None:
        """`path` is the slot's path in the coordinator's container. It contains `tekton`, and `scripts` if needed."""
        self._tekton = f"{path}/tekton"
        self._scripts = f"{path}/scripts"
        self._discarded: list[str] = []
        self._prepared = False

    def prepare(self) -> None:
        """Do the work of the first `begin_attempt` early, before any Step can have run in the slot.

        On a disk it takes milliseconds. If it fails, `begin_attempt` raises the error.
        """
        with contextlib.suppress(OSError):
            self.begin_attempt()
            self._prepared = True

    def begin_attempt(self) -> None:
        """Give the attempt empty directories (`ATTEMPT_DIRECTORIES`). Raises OSError."""
        if self._prepared:
            self._prepared = False
            return
        with _opened(self._tekton) as root:
            for name in ATTEMPT_DIRECTORIES:
                if not self._empty(root, name):
                    self._discarded.append(discard(root, name))
                    os.close(_make_directory(root, name))
            self._remove_discarded(root)

    def _empty(self, root: int, name: str) -> bool:
        """Empty a directory, created if it is missing. Returns False if it has too many entries."""
        with _walked(root, [name], _open_or_make_directory) as directory, os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, _REMOVALS + 1)]
            if len(names) > _REMOVALS:
                return False
            for each in names:
                unused = unused_name()
                os.rename(each, unused, src_dir_fd=directory, dst_dir_fd=root)
                self._discarded.append(unused)
            os.fchmod(directory, 0o777)
        return True

    def make_directories(self, paths: Iterable[str]) -> None:
        """Create missing directories (paths in the slot's containers). Raises OSError, ValueError."""
        with _opened(self._tekton) as root:
            for path in paths:
                with _walked(root, _components(path), _open_or_make_directory):
                    pass

    def write_script(self, name: str, text: str) -> None:
        """Write a script that any user may run. Raises OSError, ValueError."""
        with _opened(self._scripts) as scripts:
            write_file(scripts, name, text.encode(), 0o755)

    def write_debug_scripts(self) -> None:
        """Write the scripts that release a Step that is held. Raises OSError."""
        directories = ("debug", "scripts")
        with _opened(self._tekton) as root, _walked(root, directories, _open_or_make_directory) as scripts:
            for name, verdict in DEBUG_SCRIPTS.items():
                write_file(scripts, name, _DEBUG_SCRIPT.format(verdict=verdict).encode(), 0o755)

    def write_exit_code(self, step: str, position: int, code: int) -> None:
        """Write `steps/STEP/exitCode`, also found by the Step's position, as in Tekton. Raises OSError."""
        with _opened(self._tekton) as root, _walked(root, ("steps",), _open_or_make_directory) as steps:
            with _walked(steps, (step,), _open_or_make_directory) as directory:
                write_file(directory, "exitCode", str(code).encode(), 0o644)
            try:
                os.symlink(step, str(position), dir_fd=steps)
            except FileExistsError:
                write_link(steps, str(position), step)

    def read_files(self, paths: Iterable[str]) -> FilesRead:
        """Read the existing files of `paths` (in the slot's containers).

        Raises OSError if the slot cannot be opened and ValueError for a path outside of it; never for anything that a
        Step can do.
        """
        texts: dict[str, str] = {}
        problems: dict[str, str] = {}
        replaced: list[str] = []
        too_large = False
        rest = MAX_TOTAL_BYTES
        with _opened(self._tekton) as root:
            for path in paths:
                components = _components(path)
                try:
                    content = _read(root, components, rest)
                    if content is not None:
                        texts[path], is_text = _decoded(content)
                        replaced += [] if is_text else [path]
                        rest -= len(content)
                except OSError as error:
                    problems[path] = f"{path} {_reason(error)}"
                except _UnreadableError as problem:
                    problems[path] = f"{path} {problem}"
                    too_large = too_large or isinstance(problem, _TooLargeError)
        return FilesRead(texts, problems, too_large, tuple(replaced))

    def _remove_discarded(self, root: int) -> None:
        """Remove files of earlier attempts, up to a number of entries. Files that cannot be removed stay.

        Subdirectories are moved up beside their parent first, so that the depth does not matter.
        """
        budget = _REMOVALS
        while self._discarded and budget > 0:
            name = self._discarded.pop()
            try:
                with _opened(name, root) as directory, os.scandir(directory) as entries:
                    for entry in entries:
                        budget -= 1
                        if budget <= 0:
                            self._discarded.append(name)
                            return
                        self._remove(root, directory, entry)
                os.rmdir(name, dir_fd=root)
            except NotADirectoryError:
                _unlink(root, name)
            except OSError:
                continue

    def _remove(self, root: int, directory: int, entry: os.DirEntry[str]) -> None:
        if entry.is_dir(follow_symlinks=False):
            name = unused_name()
            os.rename(entry.name, name, src_dir_fd=directory, dst_dir_fd=root)
            self._discarded.append(name)
        else:
            os.unlink(entry.name, dir_fd=directory)


class _UnreadableError(Exception):
    """The file is not read; the message says why."""


class _TooLargeError(_UnreadableError):
    """The file is too large."""


def _decoded(content: bytes) -> tuple[str, bool]:
    """Return `content` as text, and whether it is UTF-8. As in Go, each invalid byte becomes U+FFFD."""
    try:
        return content.decode(), True
    except UnicodeDecodeError:
        text = content.decode(errors="surrogateescape")
        return "".join("\ufffd" if "\udc80" <= each <= "\udcff" else each for each in text), False


def _components(path: str) -> list[str]:
    """Return the components of a path in the slot's containers. Raises ValueError if it is not below `/tekton`."""
    head, _, tail = path.partition(CONTAINER_PATH + "/")
    components = tail.split("/")
    if head or any(component in {"", ".", ".."} or "\0" in component for component in components):
        raise ValueError(f"{path!r} is not a path below {CONTAINER_PATH}")
    return components


@contextlib.contextmanager
def _opened(path: str, parent: int | None = None) -> Iterator[int]:
    """Open a directory, which must not be a symbolic link. Raises OSError."""
    descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _walked(root: int, components: Iterable[str], step: Callable[[int, str], int]) -> Iterator[int]:
    """Open the directory at these components below `root`, each with `step`. Raises OSError."""
    descriptor = root
    try:
        for name in components:
            child = step(descriptor, name)
            if descriptor != root:
                os.close(descriptor)
            descriptor = child
        yield descriptor
    finally:
        if descriptor != root:
            os.close(descriptor)


def _open_directory(parent: int, name: str) -> int:
    return os.open(name, _DIRECTORY, dir_fd=parent)


def _make_directory(parent: int, name: str) -> int:
    os.mkdir(name, 0o777, dir_fd=parent)
    descriptor = _open_directory(parent, name)
    os.fchmod(descriptor, 0o777)
    return descriptor


def _open_or_make_directory(parent: int, name: str) -> int:
    """Open a directory, created if it is missing. Anything else of that name is removed."""
    try:
        return _open_directory(parent, name)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        _unlink(parent, name)
    return _make_directory(parent, name)


def _read(root: int, components: list[str], most: int) -> bytes | None:
    """Return the content of a file; None if it does not exist. Raises OSError, _UnreadableError."""
    try:
        with _walked(root, components[:-1], _open_directory) as parent:
            descriptor = os.open(components[-1], _READ, dir_fd=parent)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _UnreadableError("is not a regular file")
        content = b""
        while part := os.read(descriptor, MAX_RESULT_BYTES + 1 - len(content)):
            content += part
    finally:
        os.close(descriptor)
    if len(content) > MAX_RESULT_BYTES:
        raise _TooLargeError(f"is larger than {MAX_RESULT_BYTES // 1024} KiB")
    if len(content) > most:
        raise _TooLargeError(f"makes the Results of the Task larger than {MAX_TOTAL_BYTES // 1024} KiB together")
    return content


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ELOOP:
            return "is a symbolic link"
        case errno.ENOTDIR:
            return "has something other than a directory on its path"
        case errno.ENXIO | errno.ENODEV:  # a socket, or a device without a driver
            return "is not a regular file"
        case _:
            return f"cannot be read: {error.strerror}"


def _unlink(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
