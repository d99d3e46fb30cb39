"""A seccomp filter for containers, against system calls that reach what the whole machine shares.

Rules:

- Keyrings belong to users, not to containers. ``add_key``, ``request_key`` and ``keyctl`` fail with ENOSYS, as on a
  kernel without keyrings.
- In its own cgroup namespace a process could mount the caller's cgroups, and freeze or kill everything in them. So
  ``clone`` and ``unshare`` with CLONE_NEWCGROUP fail with EPERM. ``clone3`` fails with ENOSYS, since a filter cannot
  read its flags; C libraries then use ``clone``.
- The same rules apply to programs of the machine's other ABIs (32 bits). Programs of an ABI that is not in the table
  cannot make any system call.

The program is classic BPF over ``struct seccomp_data`` (linux/seccomp.h, linux/filter.h). Numbers of calls come from
the kernel's tables, ``arch/*/syscall*.tbl``. Pure.
"""

from __future__ import annotations

import errno
import struct
import sys
from typing import NamedTuple

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_ANY = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_FAIL = 0x00050000  # the errno is in the low bits

_NUMBER_AT = 0
_ABI_AT = 4
_ARGUMENTS_AT = 16
_NEW_CGROUP = 0x02000000
_NUMBER_WITHOUT_X32 = 0xBFFFFFFF


class Abi(NamedTuple):
    """One ABI of a machine: its AUDIT_ARCH number, and the numbers of the calls.

    ``flags_of_clone`` is the index of ``clone``'s argument with the flags; ``is_x86`` says that x32 has the same calls.
    """

    audit: int
    seccomp: int
    clone: int
    unshare: int
    keys: tuple[int, int, int]
    flags_of_clone: int = 0
    is_x86: bool = False


INSTRUCTION_BYTES = 8

CLONE3 = 435
"""The number of ``clone3`` in every ABI."""

_X86_64 = Abi(0xC000003E, 317, 56, 272, (248, 249, 250), is_x86=True)
_I386 = Abi(0x40000003, 354, 120, 310, (286, 287, 288))
_ARM64 = Abi(0xC00000B7, 277, 220, 97, (217, 218, 219))
_ARM = Abi(0x40000028, 383, 120, 337, (309, 310, 311))
_PPC64LE = Abi(0xC0000015, 358, 120, 282, (269, 270, 271))
_S390X = Abi(0x80000016, 348, 120, 303, (278, 279, 280), flags_of_clone=1)
_S390 = Abi(0x00000016, 348, 120, 303, (278, 279, 280), flags_of_clone=1)
_RISCV64 = Abi(0xC00000F3, 277, 220, 97, (217, 218, 219))

ABIS = {
    "x86_64": (_X86_64, _I386),
    "i686": (_I386,),
    "aarch64": (_ARM64, _ARM),
    "armv7l": (_ARM,),
    "ppc64le": (_PPC64LE,),
    "s390x": (_S390X, _S390),
    "riscv64": (_RISCV64,),
}
"""The ABIs by ``uname -m``, the machine's own ABI first."""


def program(abis: tuple[Abi, ...], byte_order: str = sys.byteorder) -> bytes:
    """Return the filter for a machine with these ABIs, as an array of ``struct sock_filter``."""
    low_half = 0 if byte_order == "little" else 4
    rules = [_instruction(_LOAD, _ABI_AT)]
    for abi in abis:
        own = _rules(abi, low_half)
        rules += [_instruction(_JUMP_IF_EQUAL, abi.audit, 0, len(own)), *own]
    return b"".join([*rules, _fail(errno.ENOSYS)])


def _rules(abi: Abi, low_half: int) -> list[bytes]:
    """Return the instructions for calls of this ABI; every path ends in a return."""
    rules = [_instruction(_LOAD, _NUMBER_AT)]
    if abi.is_x86:
        rules.append(_instruction(_AND, _NUMBER_WITHOUT_X32))
    for number in (*abi.keys, CLONE3):
        rules += [_instruction(_JUMP_IF_EQUAL, number, 0, 1), _fail(errno.ENOSYS)]
    for number, argument in ((abi.clone, abi.flags_of_clone), (abi.unshare, 0)):
        rules += [
            _instruction(_JUMP_IF_EQUAL, number, 0, 4),
            _instruction(_LOAD, _ARGUMENTS_AT + 8 * argument + low_half),
            _instruction(_JUMP_IF_ANY, _NEW_CGROUP, 0, 1),
            _fail(errno.EPERM),
            _instruction(_RETURN, _ALLOW),
        ]
    return [*rules, _instruction(_RETURN, _ALLOW)]


def _fail(code: int) -> bytes:
    return _instruction(_RETURN, _FAIL | code)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
