"""The coordinator's side of a container's control directory (docs/control-directory.md).

Rules:

- The directory is opened once. Every name is looked up below that descriptor, without following symbolic links: what a
  Step does to the directory affects only that Step.
- Files that a Step can write are untrusted: only regular files are read, up to a limit, and malformed content becomes
  an `Exit` with an error. Reading never raises.
- Files appear by rename, with their mode regardless of the umask.
- An `exited.N` is valid only if the lock of `run.N` is free: the entrypoint holds it until every process of the request
  is dead. The lock is on the original file, even if a Step has replaced it.
- The bell and the ring stay open: a wake-up costs one system call on each side, and a Step that removes a FIFO does not
  separate the two sides.

`alive` is probed by taking its lock for a moment, since there is no other way: ``F_OFD_GETLK`` does not see ``flock``
locks, and ``/proc/locks`` omits other PID namespaces. The probe takes a shared lock and releases it at once, and the
entrypoint waits for its own lock instead of failing, so a probe never disturbs it.

A container that restarts has an `alive` for each of its lives, counted from 1: `alive`, `alive.2`, `alive.3` … An
earlier one is never looked at again.

Left to others: when to read, and what follows (``shell``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterable
from typing import Literal, TypeAlias

from monopod.coordinator.engine.events import Exit, RunProbe, RunStep, Verdict
from monopod.schemas.formats.visible_text import visible
from monopod.system.locks import is_locked
from monopod.system.write_all import write_all

Liveness: TypeAlias = Literal["absent", "alive", "dead"]

MAX_EXIT_BYTES = 64 * 1024
MAX_START_FAILURE_BYTES = 8 * 1024
MAX_PROBE_BYTES = 1024
_MAX_PROBE_TEXT = 200

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FIFO = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_EXIT_KEYS = frozenset(
    {
        *("code", "signal", "error", "start", "end", "user", "system", "peak"),
        *("stopped", "oom", "mark", "left", "next", "restart"),
    }
)
_PROBE_OUTPUT = "probe"
_HELD = "held"
_STEP = "step"
_RELEASE = "release"
_VERDICTS: dict[bytes, Verdict] = {b"continue\n": "continue", b"fail\n": "fail"}
ROOT = "/monopod"
"""Where the coordinator of a Pod has all its directories."""
IN_CONTAINER = "/monopod/step"
"""Where a container of a Pod has its control directory."""
_TOKEN_DIGITS = 32
_CANNOT_RUN = 126


class ControlDirectory:
    """The control directory of one container. Owns its descriptors until `close`."""

    def __init__(self, path: str) -> None:
        """Open the directory, create the FIFOs and take the lock. Raises OSError if the directory does not exist."""
        self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._alive: int | None = None
        self.life = 1
        """Which start of the entrypoint `liveness` is about."""
        self._lock: int | None = None
        self._requests: dict[int, int] = {}  # each run.N whose end was not read yet
        self._is_abandoned = False
        self._bell = self._open_fifo("bell")
        self.ring = self._open_fifo("ring")
        """Becomes readable when the entrypoint has news; None if a Step has put something else there."""
        self.hold_lock()

    def close(self) -> None:
        """Close every descriptor, which releases the lock. Later calls raise OSError."""
        for number in list(self._requests):
            self.forget_request(number)
        for descriptor in (self._directory, self._alive, self._lock, self._bell, self.ring):
            if descriptor is not None and descriptor >= 0:
                os.close(descriptor)
        self._directory = -1
        self._alive = self._lock = self._bell = self.ring = None

    def hold_lock(self) -> bool:
        """Take the lock of `coordinator` and return whether it is held. If it is not, try again later.

        It may be taken for a moment, since an entrypoint probes it once a second. A Step that keeps it only prevents
        its own entrypoint from noticing that the coordinator is gone.
        """
        if self._lock is not None:
            return True
        if self._is_abandoned:
            return False
        try:
            descriptor = os.open("coordinator", _LOCK, 0o644, dir_fd=self._directory)
        except OSError:
            return False
        try:
            os.fchmod(descriptor, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def abandon(self) -> None:
        """Release the lock for good: an entrypoint that cannot be reached exits when it has no coordinator."""
        self._is_abandoned = True
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def drain_ring(self) -> None:
        """Empty the ring."""
        if self.ring is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self.ring, 4096)

    def ring_bell(self) -> None:
        """Wake the entrypoint. A full FIFO wakes it anyway."""
        if self._bell is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._bell, b"\n")

    def liveness(self) -> Liveness:
        """Return whether the entrypoint has not started yet in this life ("absent"), is alive or is dead.

        Look twice before believing the first "dead" of an entrypoint that was never alive.
        """
        if self._alive is None:
            try:
                name = "alive" if self.life == 1 else f"alive.{self.life}"
                descriptor = os.open(name, _READ, dir_fd=self._directory)
            except FileNotFoundError:
                return "absent"
            except OSError:
                return "dead"
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return "dead"
            self._alive = descriptor
        return "alive" if is_locked(self._alive) else "dead"

    def start_failure(self) -> tuple[str, str]:
        """Return why an entrypoint never started, from `alive`: reason and message; both empty if it is not known.

        Applies if `liveness` was "dead" from the start (``never_started``).
        """
        reason, _, message = self._read_alive().partition("\n") if self.life == 1 else ("", "", "")
        return reason.strip(), " ".join(message.split())

    def mark_of_life(self) -> str | None:
        """Return the token of the mark before the output of this life; None if it is not written yet."""
        token, newline, _ = self._read_alive().partition("\n")
        return token if newline and _is_token(token) else None

    def _read_alive(self) -> str:
        content = b""
        if self._alive is not None:
            with contextlib.suppress(OSError):
                content = os.pread(self._alive, MAX_START_FAILURE_BYTES, 0)
        return content.decode(errors="replace")

    def await_restart(self) -> None:
        """Take that the entrypoint is dead, and will start again: `liveness` is about its next life."""
        for number in list(self._requests):
            self.forget_request(number)
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None
        self.life += 1

    def has_request(self, number: int) -> bool:
        """Return whether `run.N` was written. If a Step has removed it, `exited.N` shows that it was."""
        return self._is_there(f"run.{number}") or self._is_there(f"exited.{number}")

    def write_request(self, number: int, content: bytes) -> None:
        """Write `run.N` and ring the bell. Raises OSError if it cannot be written."""
        self.forget_request(number)
        self._requests[number] = _written(self._directory, f"run.{number}", content, 0o644)
        self.ring_bell()

    def forget_request(self, number: int) -> None:
        """Close `run.N`, whose end will not be read any more."""
        descriptor = self._requests.pop(number, None)
        if descriptor is not None:
            os.close(descriptor)

    def write_kill(self, number: int, signal_number: int, grace: float) -> None:
        """Write `kill.N`, with `grace` in seconds, and ring the bell. Raises OSError if it cannot be written."""
        self._write_order(f"kill.{number}", f"{signal_number} {max(0, round(grace * 1000))}")
        self.ring_bell()

    def write_exit(self, code: int, grace: float) -> None:
        """Write `exit`: processes that still run after `grace` seconds are killed. Raises OSError."""
        self._write_order("exit", f"{code} {round(grace * 1000)}")
        self.ring_bell()

    def write_label(self, label: str) -> None:
        """Write `step`, which Step is next, as ``TASK/STEP``; nothing if it is empty. Raises OSError."""
        if label:
            self._write(_STEP, label.encode())

    @property
    def is_held(self) -> bool:
        """Whether `held` was written."""
        return self._is_there(_HELD)

    def write_hold(self, content: bytes) -> None:
        """Write `held`, with the request that the Step will be. Raises OSError if it cannot be written."""
        self._remove(_RELEASE)
        self._write(_HELD, content)

    def end_hold(self) -> None:
        """Remove `held`, and `release`."""
        self._remove(_HELD)
        self._remove(_RELEASE)

    def read_release(self) -> Verdict | None:
        """Return how the Step that is held was released; None if it was not. A malformed file is removed."""
        try:
            descriptor = os.open(_RELEASE, _READ, dir_fd=self._directory)
        except FileNotFoundError:
            return None
        except OSError:
            content = b""
        else:
            try:
                content = os.read(descriptor, MAX_PROBE_BYTES)
            except OSError:
                content = b""
            finally:
                os.close(descriptor)
        verdict = _VERDICTS.get(content)
        if verdict is None:
            self._remove(_RELEASE)
        return verdict

    def _remove(self, name: str) -> None:
        """Remove an entry, whatever a Step has made of it, if it is there."""
        with contextlib.suppress(OSError):
            try:
                os.unlink(name, dir_fd=self._directory)
            except IsADirectoryError:
                discard(self._directory, name)

    def read_exit(self, number: int) -> Exit | None:
        """Return the content of `exited.N`; None if it does not exist, or the request still runs, so that it is forged.

        A malformed file is an `Exit` with an error.
        """
        name = f"exited.{number}"
        if not self._is_there(name) or self._is_running(number):
            return None
        how = self._read_exit(name)
        if how is not None:
            self.forget_request(number)
        return how

    def read_probe_output(self) -> str:
        """Return the end of what the last readiness probe wrote, as one line; empty if it is not readable.

        The end, since a program says last why it failed: a traceback ends with the exception.
        """
        try:
            descriptor = os.open(_PROBE_OUTPUT, _READ, dir_fd=self._directory)
        except OSError:
            return ""
        try:
            status = os.fstat(descriptor)
            start = max(0, status.st_size - MAX_PROBE_BYTES)
            content = os.pread(descriptor, MAX_PROBE_BYTES, start) if stat.S_ISREG(status.st_mode) else b""
        except OSError:
            return ""
        finally:
            os.close(descriptor)
        text = " ".join(content.decode(errors="replace").split())
        return visible(text if len(text) <= _MAX_PROBE_TEXT else f"…{text[-_MAX_PROBE_TEXT:]}")

    def _is_there(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _is_running(self, number: int) -> bool:
        """Return whether the entrypoint holds the lock of `run.N`, if possible of the file that was written."""
        descriptor = self._requests.get(number)
        if descriptor is None:  # an earlier coordinator wrote it
            descriptor = self._open_request(number)
            if descriptor is None:
                return False
            self._requests[number] = descriptor
        return is_locked(descriptor)

    def _open_request(self, number: int) -> int | None:
        try:
            descriptor = os.open(f"run.{number}", _READ, dir_fd=self._directory)
        except OSError:
            return None
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None

    def _read_exit(self, name: str) -> Exit | None:
        try:
            descriptor = os.open(name, _READ, dir_fd=self._directory)
        except FileNotFoundError:
            return None
        except OSError as error:
            return failed_exit(f"{name} cannot be read: {error.strerror}")
        try:
            return parse_exit(_read_regular(descriptor))
        except OSError as error:
            return failed_exit(f"{name} cannot be read: {error.strerror}")
        except ValueError as error:
            return failed_exit(f"malformed {name}: {error}")
        finally:
            os.close(descriptor)

    def _open_fifo(self, name: str) -> int | None:
        """Open a FIFO, created if it is missing; None if a Step has put something else there."""
        try:
            os.mkfifo(name, 0o666, dir_fd=self._directory)
        except FileExistsError:
            made = False
        else:
            made = True
        try:
            # Opening some devices has side effects: check the type before opening it.
            look = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory)
        except OSError:
            return None
        try:
            if not stat.S_ISFIFO(os.fstat(look).st_mode):
                return None
            descriptor = os.open(f"/proc/self/fd/{look}", _FIFO & ~os.O_NOFOLLOW)
        except OSError:
            return None
        finally:
            os.close(look)
        if made:
            os.fchmod(descriptor, 0o666)
        return descriptor

    def _write_order(self, name: str, content: str) -> None:
        """Write `kill.N` or `exit`: on a full disk, as the target of a symbolic link, which takes no block."""
        try:
            self._write(name, f"{content}\n".encode())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            write_link(self._directory, name, content)

    def _write(self, name: str, content: bytes) -> None:
        write_file(self._directory, name, content, 0o644)


def write_file(directory: int, name: str, content: bytes, mode: int) -> None:
    """Create or replace a file in the directory `directory` (a descriptor) by rename.

    Raises OSError with its name if it cannot be written.
    """
    os.close(_written(directory, name, content, mode))


def _written(directory: int, name: str, content: bytes, mode: int) -> int:
    """Do the same and return the descriptor of the file."""
    temporary = _temporary(name)
    try:
        descriptor = os.open(temporary, _WRITE, mode, dir_fd=directory)
    except OSError as error:
        error.filename = name
        raise
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, content)
        _publish(directory, temporary, name)
    except OSError:
        os.close(descriptor)
        os.unlink(temporary, dir_fd=directory)
        raise
    return descriptor


def write_link(directory: int, name: str, target: str) -> None:
    """Create or replace a symbolic link in the directory `directory` (a descriptor) by rename. Raises OSError."""
    temporary = _temporary(name)
    os.symlink(target, temporary, dir_fd=directory)
    try:
        _publish(directory, temporary, name)
    except OSError:
        os.unlink(temporary, dir_fd=directory)
        raise


def _temporary(name: str) -> str:
    """Return a name that nothing can have."""
    return f".{name}.{os.urandom(8).hex()}"


def _publish(directory: int, temporary: str, name: str) -> None:
    """Give an entry its name."""
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except IsADirectoryError:  # a Step has created it to block the rename
        discard(directory, name)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def discard(parent: int, name: str) -> str:
    """Rename an entry of the directory `parent` to a new name, and return that. Raises OSError.

    It stays in its directory: moving a directory to another one requires write permission to it.
    """
    unused = unused_name()
    os.rename(name, unused, src_dir_fd=parent, dst_dir_fd=parent)
    return unused


def unused_name() -> str:
    """Return a name that nothing can have."""
    return f".discarded.{os.urandom(8).hex()}"


def _read_regular(descriptor: int) -> bytes:
    """Return the content of an `exited.N`. Raises OSError, and ValueError if it is not a regular file or too large."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ValueError("it is not a regular file")
    content = os.read(descriptor, MAX_EXIT_BYTES + 1)
    if len(content) > MAX_EXIT_BYTES:
        raise ValueError(f"it is larger than {MAX_EXIT_BYTES} bytes")
    return content


def failed_exit(error: str) -> Exit:
    """Return the `Exit` of a request whose end is unknown."""
    return Exit(code=_CANNOT_RUN, error=error)


def never_begun(error: str) -> Exit:
    """Return the `Exit` of a request that could not be written: nothing ran, so there is no output to mark."""
    return Exit(code=_CANNOT_RUN, error=error, mark="")


def encode_request(command: RunStep | RunProbe, own_path: str = IN_CONTAINER) -> bytes:
    """Return the content of `run.N` for a container that has its control directory at `own_path`.

    Raises ValueError if a text contains a NUL character.
    """
    records = [("e", f"{name}={value}") for name, value in command.environment]
    records += [("a", argument) for argument in command.arguments]
    paths = [("d", command.working_directory)]
    if isinstance(command, RunProbe):
        records.append(("q", ""))  # as in Kubernetes, the output of a probe is in no log, but beside its failure
        paths += [(letter, f"{own_path}/{_PROBE_OUTPUT}") for letter in ("o", "r")]
    if isinstance(command, RunStep):
        records = [("m", "")] * command.is_marked + records
        records += [("t", command.title)] * bool(command.title)
        paths += [*(("c", path) for path in command.emptied), *(("n", path) for path in command.cleaned)]
        paths += [("o", command.stdout_path), ("r", command.stderr_path), *(("x", path) for path in command.readable)]
    return encode_records([*records, *((letter, path) for letter, path in paths if path is not None)])


def encode_records(records: Iterable[tuple[str, str]]) -> bytes:
    """Return records in the format of `run.N`. Raises ValueError if a text contains a NUL character."""
    parts = []
    for letter, text in records:
        if "\0" in text:
            what = {"e": "environment variable", "a": "argument"}.get(letter, "path")
            raise ValueError(f"the {what} {text[:40]!r} contains a NUL character, which cannot be passed to a program")
        parts.append(f"{letter}{text}\0")
    parts.append(".\0")
    return "".join(parts).encode()


def parse_exit(content: bytes) -> Exit:
    """Return the `Exit` in the content of an `exited.N`. Raises ValueError if it is malformed."""
    fields: dict[str, str] = {}
    for line in content.decode(errors="replace").removesuffix("\n").split("\n"):
        key, equals, value = line.partition("=")
        if not equals or key not in _EXIT_KEYS:
            raise ValueError(f"unknown line {line[:40]!r}")
        if key in fields:
            raise ValueError(f"duplicate {key}")
        fields[key] = value
    if ("code" in fields) == ("signal" in fields):
        raise ValueError("exactly one of code and signal is required")
    return Exit(
        code=_whole(fields, "code", 255) if "code" in fields else None,
        signal=_whole(fields, "signal", 64) if "signal" in fields else None,
        error=fields.get("error", ""),
        start=_seconds(fields, "start"),
        end=_seconds(fields, "end"),
        cpu=_seconds(fields, "user") + _seconds(fields, "system"),
        peak=_whole(fields, "peak", 1 << 53),
        out_of_memory=fields.get("oom") == "1",
        mark=_token(fields),
        left=fields.get("left", ""),
        next=_whole(fields, "next", 1 << 31),
        restart=fields.get("restart") == "1",
    )


def _whole(fields: dict[str, str], key: str, highest: int) -> int:
    text = fields.get(key, "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and int(text) <= highest):
        raise ValueError(f"{key} is {text[:40]!r}")
    return int(text)


def _token(fields: dict[str, str]) -> str | None:
    token = fields.get("mark")
    if token is None:
        return "" if fields.get("error") else None  # a request that could not be run has no output
    if not _is_token(token):
        raise ValueError(f"mark is {token[:40]!r}")
    return token


def _is_token(text: str) -> bool:
    return len(text) == _TOKEN_DIGITS and set(text) <= set("0123456789abcdef")


def _seconds(fields: dict[str, str], key: str) -> float:
    text = fields.get(key, "0")
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not (whole and digits.isascii() and digits.isdecimal() and len(whole) <= 12):
        raise ValueError(f"{key} is {text[:40]!r}")
    return float(text)
