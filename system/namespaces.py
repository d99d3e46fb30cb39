"""Linux system calls that Python lacks: namespaces, mounts and dropping privileges.

Rules: one function per call. A failure is an OSError whose ``strerror`` names what failed. Flags have the names of the
kernel's headers, without their prefix where the name stays clear.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

from monopod.system import call_filter

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS
NEW_HOSTNAME = 0x04000000  # CLONE_NEWUTS
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REC = 0x4000
MS_PRIVATE = 0x40000

ATTR_RDONLY = 0x1
ATTR_NODEV = 0x4

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_RESOLVE_NO_MAGICLINKS = 0x2
_RESOLVE_BENEATH = 0x8
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
_KEYCTL_JOIN_SESSION_KEYRING = 1

# These have the same number on every architecture but alpha.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

_ABIS = call_filter.ABIS.get(os.uname().machine, ())
_OWN_ABI = (_ABIS[-1] if ctypes.sizeof(ctypes.c_void_p) == 4 else _ABIS[0]) if _ABIS else None

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.syscall.restype = ctypes.c_long


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _CallFilter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


_FILTER = call_filter.program(_ABIS)
_CALL_FILTER = _CallFilter(
    len(_FILTER) // call_filter.INSTRUCTION_BYTES, _FILTER
)  # resolved once, so that containers start faster


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot {what}: {os.strerror(code)}")
    return result


def unshare(flags: int, what: str) -> None:
    """Leave the namespaces in `flags` for new ones; `what` names them in the error."""
    _check(_libc.unshare(flags), f"make {what}")


def join_namespaces(descriptor: int, flags: int) -> None:
    """Join the namespaces in `flags` of the process of a pidfd; `NEW_PID` only affects children."""
    _check(_libc.setns(descriptor, flags), "join the container's namespaces")


def mount(kind: str, target: str, flags: int = 0, options: str = "") -> None:
    """Mount a new file system of the given kind."""
    _check(_libc.mount(kind.encode(), os.fsencode(target), kind.encode(), flags, os.fsencode(options)),
           f"mount {kind} at {target}")  # fmt: skip


def mount_processes(target: str) -> None:
    """Mount a new /proc for this process's PID namespace.

    The kernel refuses this (EPERM) to an ordinary user if part of the current /proc is hidden, as in a container.
    """
    mount("proc", target, MS_NOSUID | MS_NODEV | MS_NOEXEC)


def make_mounts_private() -> None:
    """Stop the propagation of mounts and unmounts from and to other mount namespaces."""
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make the mounts private")


def unmount(target: str) -> None:
    """Detach a mount and everything mounted in it."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"unmount {target}")


def clone_mount(path: str, *, directory: int = _AT_FDCWD, recursive: bool = True) -> int:
    """Return a descriptor of a bind mount of `path` that is not attached yet.

    With ``recursive`` it includes the mounts in it. An empty `path` is the file that `directory` is open on.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    flags |= (_AT_RECURSIVE if recursive else 0) | (0 if path else _AT_EMPTY_PATH)
    return _check(_libc.syscall(_SYS_OPEN_TREE, directory, os.fsencode(path), flags), f"bind {path or 'a directory'}")


def attach_mount(descriptor: int, target: str) -> None:
    """Attach what `clone_mount` returned, and close the descriptor."""
    try:
        _check(
            _libc.syscall(_SYS_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH),
            f"mount at {target}",
        )
    finally:
        os.close(descriptor)


def restrict_mount(mounted: int | str, attributes: int, *, recursive: bool = False) -> None:
    """Add `ATTR_RDONLY` and the like to a mount: a path, or a descriptor from `clone_mount`."""
    wanted = _MountAttributes(set=attributes)
    directory, path = (mounted, b"") if isinstance(mounted, int) else (_AT_FDCWD, os.fsencode(mounted))
    flags = (_AT_RECURSIVE if recursive else 0) | (0 if path else _AT_EMPTY_PATH)
    _check(
        _libc.syscall(
            _SYS_MOUNT_SETATTR, directory, path, flags, ctypes.byref(wanted), ctypes.c_size_t(ctypes.sizeof(wanted))
        ),
        f"restrict the mount {mounted if isinstance(mounted, str) else ''}".rstrip(),
    )


def bind(source: str, target: str, *, attributes: int = 0, recursive: bool = True) -> None:
    """Bind the file or directory `source` to `target`, with `attributes` on all its mounts."""
    descriptor = clone_mount(source, recursive=recursive)
    if attributes:
        restrict_mount(descriptor, attributes, recursive=recursive)
    attach_mount(descriptor, target)


def change_root(new_root: str) -> None:
    """Make the mount `new_root` the root of this mount namespace, and detach the old root."""
    os.chdir(new_root)
    _check(_libc.pivot_root(b".", b"."), f"make {new_root} the root")
    unmount(".")
    os.chdir("/")


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open `path` below the open directory. Symbolic links and ``..`` that leave it are an error (EXDEV)."""
    how = _OpenHow(flags=flags | os.O_CLOEXEC, resolve=_RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    return _check(
        _libc.syscall(
            _SYS_OPENAT2, directory, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
        ),
        f"open {path}",
    )


def die_with_parent(signal_number: int) -> None:
    """Let the kernel send this process a signal when its parent thread ends. A change of user resets this."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "tie the process to its parent")


def set_process_name(name: str) -> None:
    """Set the name that ``ps`` shows, of at most 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _check(_libc.prctl(_PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0), "name the process")


def forbid_new_privileges() -> None:
    """Prevent executed programs from gaining privileges (setuid bits, file capabilities)."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")


def can_filter_calls() -> bool:
    """Whether this kernel and machine support `filter_calls`."""
    if _OWN_ABI is None:
        return False
    result = _libc.syscall(_OWN_ABI.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_SPEC_ALLOW, None)
    return result < 0 and ctypes.get_errno() == errno.EFAULT  # it tried to read the filter


def filter_calls() -> None:
    """Permanently forbid this process and its descendants the system calls of ``call_filter``.

    Requires CAP_SYS_ADMIN in the user namespace.
    """
    assert _OWN_ABI is not None
    _check(
        _libc.syscall(
            _OWN_ABI.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_SPEC_ALLOW, ctypes.byref(_CALL_FILTER)
        ),
        "filter system calls",
    )


def leave_session_keyring() -> None:
    """Give this process and its future children an empty session keyring.

    Does nothing if the kernel has no keyrings, or forbids them to this process.
    """
    if _OWN_ABI is not None:
        _libc.syscall(_OWN_ABI.keys[2], _KEYCTL_JOIN_SESSION_KEYRING, None)


def bounding_capabilities() -> frozenset[int]:
    """Return the bounding set: the capabilities that this process and its descendants can have."""
    capabilities = set()
    number = 0
    while (known := _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0)) >= 0:
        if known:
            capabilities.add(number)
        number += 1
    return frozenset(capabilities)


def drop_capabilities(dropped: Iterable[int]) -> None:
    """Remove capabilities from the bounding set, so that executed programs lack them.

    This works if the program runs as user 0, or if the process changes its user before it executes the program.
    """
    for number in dropped:
        _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), f"drop capability {number}")
