"""The filter of system calls: its numbers compared to the kernel's headers, and its decisions in a BPF interpreter."""

from __future__ import annotations

import errno
import importlib.util
import re
import struct
from pathlib import Path

import pytest

from monopod.system.call_filter import ABIS, CLONE3, program

ALLOWED = 0x7FFF0000
NEW_CGROUP = 0x02000000
NEW_USER = 0x10000000
X32 = 0x40000000
HEADERS = {
    0xC000003E: "x86-linux-any/asm/unistd_64.h",
    0x40000003: "x86-linux-any/asm/unistd_32.h",
    0xC00000B7: "aarch64-linux-any/asm/unistd_64.h",
    0x40000028: "arm-linux-any/asm/unistd-eabi.h",
    0xC0000015: "powerpc-linux-any/asm/unistd_64.h",
    0x80000016: "s390x-linux-any/asm/unistd_64.h",
    0xC00000F3: "riscv-linux-any/asm/unistd_64.h",
}
EVERY_ABI = [(machine, abi) for machine, abis in ABIS.items() for abi in abis]


def decision(code: bytes, abi: int, number: int, arguments=(), byte_order="little"):
    """Return the filter's decision on a call: ALLOWED, or the number of the error."""
    letter = "<" if byte_order == "little" else ">"
    words = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack(f"{letter}IIQ6Q", number, abi, 0, *words)
    instructions = list(struct.iter_unpack("=HBBI", code))
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = instructions[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from(f"{letter}I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation in (0x15, 0x45):
            holds = accumulator == value if operation == 0x15 else bool(accumulator & value)
            at += if_true if holds else if_false
        else:
            assert operation == 0x06
            return ALLOWED if value == ALLOWED else value - 0x00050000


@pytest.mark.parametrize(("machine", "abi"), EVERY_ABI)
def test_keyrings_and_cgroup_namespaces_are_refused_in_every_abi(machine, abi):
    order = "big" if machine == "s390x" else "little"
    code = program(ABIS[machine], order)
    for number in (*abi.keys, CLONE3):
        assert decision(code, abi.audit, number, byte_order=order) == errno.ENOSYS
    before = [0] * abi.flags_of_clone
    for flags, expected in ((NEW_CGROUP, errno.EPERM), (NEW_CGROUP | NEW_USER, errno.EPERM), (NEW_USER, ALLOWED)):
        assert decision(code, abi.audit, abi.clone, [*before, flags], order) == expected
        assert decision(code, abi.audit, abi.unshare, [flags], order) == expected
    assert decision(code, abi.audit, 0, [NEW_CGROUP], order) == ALLOWED


def test_x32_is_filtered_too_and_other_abis_are_blocked():
    code = program(ABIS["x86_64"])
    abi = ABIS["x86_64"][0]
    assert decision(code, abi.audit, abi.keys[2] | X32) == errno.ENOSYS
    assert decision(code, abi.audit, abi.unshare | X32, [NEW_CGROUP]) == errno.EPERM
    assert decision(code, 0xC00000B7, 0) == errno.ENOSYS


@pytest.mark.parametrize("abi", {abi.audit: abi for _, abi in EVERY_ABI if abi.audit in HEADERS}.values())
def test_numbers_agree_with_the_kernel_headers(abi):
    ziglang = importlib.util.find_spec("ziglang")
    if ziglang is None or ziglang.origin is None:
        pytest.skip("ziglang, which has these headers, is not installed")
    text = Path(ziglang.origin).with_name("lib").joinpath("libc/include", HEADERS[abi.audit]).read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+\D*(\d+)", text)}
    assert abi.keys == (numbers["add_key"], numbers["request_key"], numbers["keyctl"])
    assert (abi.clone, abi.unshare, abi.seccomp, CLONE3) == tuple(
        numbers[name] for name in ("clone", "unshare", "seccomp", "clone3")
    )
