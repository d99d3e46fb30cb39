"""Runs a program for which certain system calls fail, or take long, in all its processes:

    system_calls.py CALL=ERRNO... CALL=MILLISECONDSms... -- PROGRAM ARGUMENT...

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
        "arch": 0xC000003E, "seccomp": 317, "inotify_init1": 294, "inotify_add_watch": 254, "open": 2, "openat": 257,
        "rename": 82, "renameat": 264, "renameat2": 316, "mkdirat": 258, "mknodat": 259, "unlinkat": 263, "flock": 73,
    },
    "aarch64": {
        "arch": 0xC00000B7, "seccomp": 277, "inotify_init1": 26, "inotify_add_watch": 27, "openat": 56,
        "renameat": 38, "renameat2": 276, "mkdirat": 34, "mknodat": 33, "unlinkat": 35, "flock": 32,
    },
}  # fmt: skip
IS_SUPPORTED = platform.machine() in _NUMBERS and sys.platform == "linux"

_LOAD, _AND, _IF_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_ALLOW, _FAIL, _NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
_NUMBER_AT, _ARCH_AT, _FLAGS_AT = 0, 4, 16 + 2 * 8
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_GO_ON = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _filter(faults: dict[str, str]) -> bytes:
    """Return the filter, in the kernel's BPF: a few instructions for each call, then that all else is allowed."""
    numbers = _NUMBERS[platform.machine()]

    def instruction(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_so, if_not, value)

    made = [instruction(_LOAD, _ARCH_AT), instruction(_IF_EQUAL, numbers["arch"], 1), instruction(_RETURN, _ALLOW)]
    for name, fault in faults.items():
        if name not in numbers:
            continue  # another architecture's
        answer = _NOTIFY if fault.endswith("ms") else _FAIL | getattr(errno, fault)
        made.append(instruction(_LOAD, _NUMBER_AT))
        if name == "openat":
            made += [
                instruction(_IF_EQUAL, numbers[name], 0, 4),
                instruction(_LOAD, _FLAGS_AT),
                instruction(_AND, os.O_CREAT),
                instruction(_IF_EQUAL, os.O_CREAT, 0, 1),
            ]
        else:
            made.append(instruction(_IF_EQUAL, numbers[name], 0, 1))
        made.append(instruction(_RETURN, answer))
    return b"".join([*made, instruction(_RETURN, _ALLOW)])


def _install(faults: dict[str, str]) -> int:
    """Let calls of this process, and of all it starts, fail from now on. Return where those come that are slow."""
    if os.geteuid() != 0:
        _libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    code = _filter(faults)
    program = _Program(len(code) // 8, ctypes.cast(ctypes.create_string_buffer(code), ctypes.c_void_p))
    is_slow = any(fault.endswith("ms") for fault in faults.values())
    number = _NUMBERS[platform.machine()]["seccomp"]
    listener: int = _libc.syscall(number, 1, 8 if is_slow else 0, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener if is_slow else -1


def _hold_up(listener: int, seconds: float) -> None:
    """Let each call go on after so many seconds, until nobody is left who could make one."""
    waiting: list[tuple[float, int]] = []
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) * 1000 if waiting else None
        for _, events in poll.poll(timeout):
            if events & select.POLLHUP:
                return
            with contextlib.suppress(FileNotFoundError):  # it was killed in between
                told = fcntl.ioctl(listener, _RECEIVE, bytes(80))
                heapq.heappush(waiting, (time.monotonic() + seconds, struct.unpack_from("Q", told)[0]))
        while waiting and waiting[0][0] <= time.monotonic():
            with contextlib.suppress(FileNotFoundError):
                fcntl.ioctl(listener, _SEND, struct.pack("QqiI", heapq.heappop(waiting)[1], 0, 0, _GO_ON))


def _start_holding_up(milliseconds: str) -> socket.socket:
    """Start the process that holds up what is slow; it waits for the descriptor, and has nothing of the program's."""
    ours, its_own = socket.socketpair()
    if os.fork() == 0:
        _, (listener, *_), _, _ = socket.recv_fds(its_own, 1, 1)
        os.set_inheritable(listener, True)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.execve(sys.executable, [sys.executable, __file__, "--hold-up", str(listener), milliseconds], {})
    its_own.close()
    return ours


def main() -> None:
    if sys.argv[1] == "--hold-up":
        _hold_up(int(sys.argv[2]), float(sys.argv[3]) / 1000)
        return
    end = sys.argv.index("--")
    faults = dict(each.split("=") for each in sys.argv[1:end])
    slow = [fault.removesuffix("ms") for fault in faults.values() if fault.endswith("ms")]
    holding_up = _start_holding_up(slow[0]) if slow else None
    listener = _install(faults)
    if holding_up is not None:
        socket.send_fds(holding_up, [b"x"], [listener])
        holding_up.close()
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])


if __name__ == "__main__":
    main()
