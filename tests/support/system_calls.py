"""Runs a program with certain system calls failing or slow in all its processes:

    system_calls.py CALL=ERRNO... CALL=MILLISECONDSms... clock_gettime=FILE -- PROGRAM ARGUMENT...

FILE has the seconds to shift the time of day by. That affects programs that call the kernel directly.

All that are slow take the same time; ``openat`` does where it makes a file. seccomp(2) does it, so nothing of the
program is changed. What is slow is held up by a process of its own (seccomp_unotify(2)), which ends with the last of
theirs.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import heapq
import os
import platform
import select
import socket
import struct
import sys
import time

_NUMBERS = {
    "x86_64": {
        "arch": 0xC000003E, "seccomp": 317, "clock_gettime": 228, "inotify_init1": 294, "inotify_add_watch": 254,
        "open": 2, "openat": 257, "rename": 82, "renameat": 264, "renameat2": 316, "mkdirat": 258, "mknodat": 259,
        "unlinkat": 263, "flock": 73,
    },
    "aarch64": {
        "arch": 0xC00000B7, "seccomp": 277, "clock_gettime": 113, "inotify_init1": 26, "inotify_add_watch": 27,
        "openat": 56, "renameat": 38, "renameat2": 276, "mkdirat": 34, "mknodat": 33, "unlinkat": 35, "flock": 32,
    },
}  # fmt: skip
IS_SUPPORTED = platform.machine() in _NUMBERS and sys.platform == "linux"

_LOAD, _AND, _IF_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW, _FAIL, _NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_CONDITIONS = {
    "openat": (_ARGUMENTS_AT + 2 * 8, os.O_CREAT, os.O_CREAT),
    "clock_gettime": (_ARGUMENTS_AT, 0xFFFFFFFF, 0),
}
"""Calls that are affected only with certain arguments: the index of the argument, a mask, and the value."""
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _filter(faults: dict[str, str]) -> bytes:
    """Return the BPF filter: a few instructions for each call, then allow everything else."""
    numbers = _NUMBERS[platform.machine()]

    def instruction(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_so, if_not, value)

    made = [instruction(_LOAD, _ARCH_AT), instruction(_IF_EQUAL, numbers["arch"], 1), instruction(_RETURN, _ALLOW)]
    for name, fault in faults.items():
        if name not in numbers:
            continue  # another architecture's
        answer = _FAIL | getattr(errno, fault) if hasattr(errno, fault) else _NOTIFY
        made.append(instruction(_LOAD, _NUMBER_AT))
        if name in _CONDITIONS:
            place, mask, wanted = _CONDITIONS[name]
            made += [
                instruction(_IF_EQUAL, numbers[name], 0, 4),
                instruction(_LOAD, place),
                instruction(_AND, mask),
                instruction(_IF_EQUAL, wanted, 0, 1),
            ]
        else:
            made.append(instruction(_IF_EQUAL, numbers[name], 0, 1))
        made.append(instruction(_RETURN, answer))
    return b"".join([*made, instruction(_RETURN, _ALLOW)])


def _install(faults: dict[str, str]) -> int:
    """Make calls of this process and its children fail from now on. Return the listener for the slow calls."""
    if os.geteuid() != 0:
        _libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    code = _filter(faults)
    program = _Program(len(code) // 8, ctypes.cast(ctypes.create_string_buffer(code), ctypes.c_void_p))
    is_asked_for = any(not hasattr(errno, fault) for fault in faults.values())
    number = _NUMBERS[platform.machine()]["seccomp"]
    listener: int = _libc.syscall(number, 1, 8 if is_asked_for else 0, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener if is_asked_for else -1


def _delay(listener: int, seconds: float) -> None:
    """Continue each call after this many seconds, until no process can make one."""
    waiting: list[tuple[float, int]] = []
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) * 1000 if waiting else None
        for _, events in poll.poll(timeout):
            if events & select.POLLHUP:
                return
            with contextlib.suppress(FileNotFoundError):  # it was killed in between
                request = fcntl.ioctl(listener, _RECEIVE, bytes(80))
                heapq.heappush(waiting, (time.monotonic() + seconds, struct.unpack_from("Q", request)[0]))
        while waiting and waiting[0][0] <= time.monotonic():
            with contextlib.suppress(FileNotFoundError):
                fcntl.ioctl(listener, _SEND, struct.pack("QqiI", heapq.heappop(waiting)[1], 0, 0, _CONTINUE))


def _answer_the_time(listener: int, file: str) -> None:
    """Answer calls for the time of day until no process can make one."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while not poll.poll()[0][1] & select.POLLHUP:
        with contextlib.suppress(FileNotFoundError):
            request = fcntl.ioctl(listener, _RECEIVE, bytes(80))
            (identity, pid), (_, place) = struct.unpack_from("QI", request), struct.unpack_from("QQ", request, 32)
            with open(file, encoding="ascii") as offset, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(place)
                memory.write(struct.pack("qq", int(time.time()) + int(offset.read()), 0))
            fcntl.ioctl(listener, _SEND, struct.pack("QqiI", identity, 0, 0, 0))


def _start_answering(how: str) -> socket.socket:
    """Start the process that delays slow calls or answers the time; it does not inherit the environment."""
    ours, its_own = socket.socketpair()
    if os.fork() == 0:
        _, (listener, *_), _, _ = socket.recv_fds(its_own, 1, 1)
        os.set_inheritable(listener, True)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.execve(sys.executable, [sys.executable, __file__, "--answer", str(listener), how], {})
    its_own.close()
    return ours


def main() -> None:
    if sys.argv[1] == "--answer":
        listener, how = int(sys.argv[2]), sys.argv[3]
        if how.endswith("ms"):
            _delay(listener, float(how.removesuffix("ms")) / 1000)
        else:
            _answer_the_time(listener, how)
        return
    end = sys.argv.index("--")
    faults = dict(each.split("=") for each in sys.argv[1:end])
    asked_for = [fault for fault in faults.values() if not hasattr(errno, fault)]
    answering = _start_answering(asked_for[0]) if asked_for else None
    listener = _install(faults)
    if answering is not None:
        socket.send_fds(answering, [b"x"], [listener])
        answering.close()
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])


if __name__ == "__main__":
    main()
