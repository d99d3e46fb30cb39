"""The entrypoint's binaries: one per architecture, small, static, and running (in qemu)."""

from __future__ import annotations

import importlib.util
import os
import platform
import select
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from monopod.entrypoint import binary, build

PATIENCE = 300  # seconds after which a test has failed

# e_machine of the ELF header (elf.h), its byte order, and what qemu-user calls the machine
MACHINES = {
    "x86_64": (62, "<", "x86_64"),
    "aarch64": (183, "<", "aarch64"),
    "ppc64le": (21, "<", "ppc64le"),
    "s390x": (22, ">", "s390x"),
    "armv7l": (40, "<", "arm"),
    "riscv64": (243, "<", "riscv64"),
}


def test_every_architecture_is_built():
    assert build.TARGETS.keys() == MACHINES.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_binary(machine):
    content = binary.path(machine).read_bytes()
    number, order, _ = MACHINES[machine]
    assert content[:4] == b"\x7fELF"
    assert content[5] == {"<": 1, ">": 2}[order]
    kind, found = struct.unpack_from(f"{order}HH", content, 16)
    assert (kind, found) == (2, number)  # ET_EXEC: linked statically, at a fixed address
    assert len(content) <= 40 << 10
    assert os.access(binary.path(machine), os.X_OK)


def emulator(machine: str) -> list[str]:
    """Return the emulator of a machine; skip the test if it is not installed."""
    qemu = shutil.which(f"qemu-{MACHINES[machine][2]}")
    if machine != platform.machine() and qemu is None:
        pytest.skip(f"qemu-user for {machine} is not installed")
    return [] if machine == platform.machine() else [qemu]


@pytest.mark.parametrize("machine", MACHINES)
def test_binary_runs(machine, tmp_path):
    check_that_it_runs([*emulator(machine), binary.path(machine)], tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the compiler (ziglang) is not installed")
def test_32_bit_binary_runs_on_a_kernel_without_64_bit_time_calls(tmp_path, monkeypatch):
    prefix = emulator("armv7l")
    monkeypatch.setattr(build, "_COMPILE", [*build._COMPILE, "-DEMULATE_OLD_KERNEL"])
    build.build("armv7l", tmp_path / "entrypoint")
    check_that_it_runs([*prefix, tmp_path / "entrypoint"], tmp_path)


def check_that_it_runs(command: list[str | Path], tmp_path: Path) -> None:
    """Run a request that uses most system calls: a new directory, copies of the output, a file made readable."""
    step = tmp_path / "step"
    step.mkdir()
    os.mkfifo(step / "bell")
    os.mkfifo(step / "ring")
    records = [f"d{tmp_path}/work", "eA=one $$(A)", "oout", "rerr", "xout", "ash", "a-c", "a", "a$(A)"]
    records[-2] = 'aumask 077; echo "$0"; echo problem >&2; (setsid true &); exit 3'
    (step / "run.1").write_bytes("".join(f"{record}\0" for record in (*records, ".")).encode())
    (step / "run.2").write_bytes(b"a/no/such\0.\0")
    (step / "run.3").write_bytes(b"ash\0a-c\0akill -s TERM $$$$\0.\0")
    ring = os.open(step / "ring", os.O_RDWR | os.O_NONBLOCK)
    process = subprocess.Popen([*command, step], umask=0o077, stdout=subprocess.DEVNULL)
    try:
        while len(list(step.glob("exited.*"))) < 3:
            assert select.select([ring], [], [], PATIENCE)[0], "nothing came"
            os.read(ring, 4096)
        (step / ".exit").write_bytes(b"7\n")
        (step / ".exit").rename(step / "exit")
        bell = os.open(step / "bell", os.O_RDWR | os.O_NONBLOCK)
        os.write(bell, b"\n")
        os.close(bell)
        assert process.wait(PATIENCE) == 7
    finally:
        process.kill()
        process.wait()
        os.close(ring)
    assert "code=3\n" in (step / "exited.1").read_text()
    assert "error=cannot run /no/such: No such file or directory\n" in (step / "exited.2").read_text()
    assert "signal=15\n" in (step / "exited.3").read_text()
    assert (tmp_path / "work/out").read_text() == "one $(A)\n"
    assert (tmp_path / "work/err").read_text() == "problem\n"
    assert (tmp_path / "work/out").stat().st_mode & 0o777 == 0o644
    assert (step / "exited.1").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the compiler (ziglang) is not installed")
def test_build_is_reproducible_and_up_to_date(tmp_path):
    build.build("riscv64", tmp_path / "new" / "entrypoint", build.source_version())
    assert (tmp_path / "new/entrypoint").read_bytes() == binary.path("riscv64").read_bytes(), "run entrypoint/build.py"
    assert os.listdir(tmp_path / "new") == ["entrypoint"]


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="the compiler (ziglang) is not installed")
def test_failed_build_shows_the_output_of_the_compiler(tmp_path, monkeypatch):
    source = tmp_path / "entrypoint.c"
    source.write_text("#error no way\n")
    monkeypatch.setattr(build, "SOURCES", [source])
    with pytest.raises(build.BuildError, match="no way"):
        build.build("riscv64", tmp_path / "entrypoint")
    assert not (tmp_path / "entrypoint").exists()


def test_version_matches_monopod():
    import monopod  # noqa: PLC0415

    result = subprocess.run([binary.path(), "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"monopod entrypoint {monopod.__version__}\n"
    assert build.source_version() == monopod.__version__


def test_path_of_the_binary_for_this_machine():
    assert binary.path() == binary.path(platform.machine())


def test_missing_binary_is_reported(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no entrypoint for mips in .*; available: .*x86_64"):
        binary.path("mips")
    monkeypatch.setattr(binary, "_BINARIES", Path(tmp_path))
    with pytest.raises(FileNotFoundError, match="install monopod with pip to build them"):
        binary.path("x86_64")
