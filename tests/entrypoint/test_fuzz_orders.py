"""Control files under a coverage-guided fuzzer (fuzz_orders.c: libFuzzer, ASan, UBSan), briefly, from a corpus.

`make fuzz-orders` runs longer. Findings are kept in build/fuzz/, and the failure shows how to run them again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "fuzz"
SECONDS = 8


@pytest.fixture(scope="module")
def fuzzer() -> Path:
    """The fuzzer, built by `make`; skips the test if clang or its libFuzzer is not installed."""
    if shutil.which("clang") is None:
        pytest.skip("no clang on this machine (Debian: clang and libclang-rt-dev)")
    built = subprocess.run(
        ["make", "--silent", "build/fuzz/orders"], cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    if "libclang_rt.fuzzer" in built.stderr:
        pytest.skip("clang is here without libFuzzer (Debian: libclang-rt-dev)")
    assert built.returncode == 0, built.stderr
    return BUILD / "orders"


def fuzz(fuzzer: Path, *arguments: str | Path) -> str:
    options = ["-timeout=10", "-max_len=1024", "-print_final_stats=1", f"-artifact_prefix={BUILD}/"]
    ran = subprocess.run(
        [fuzzer, *options, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ},
        check=False,
    )
    if ran.returncode != 0:
        found = re.search(r"Test unit written to (\S+)", ran.stderr)
        again = f"reproduce it with: make fuzz-orders FUZZ_INPUT={found[1]}" if found else ""
        pytest.fail(f"{ran.stderr[-6000:]}\n{again}")
    return ran.stderr


def test_fuzzing_control_files(fuzzer, tmp_path):
    said = fuzz(fuzzer, f"-max_total_time={SECONDS}", tmp_path, HERE / "orders_corpus")
    assert int(re.search(r"number_of_executed_units: (\d+)", said)[1]) > 1000


def test_fuzzer_finds_a_planted_bug(fuzzer, tmp_path):
    """A $(NAME) is written one byte too far. If the fuzzer misses this, it finds nothing."""
    sources = tmp_path / "entrypoint", tmp_path / "tests" / "entrypoint"
    for directory in sources:
        directory.mkdir(parents=True)
    for path in (HERE.parents[1] / "entrypoint").glob("*.[ch]"):
        shutil.copy(path, sources[0])
    text = (sources[0] / "request.c").read_text()
    wrong = text.replace("allocate(length + 1);\n    expand_to", "allocate(length);\n    expand_to")
    assert wrong != text
    (sources[0] / "request.c").write_text(wrong)
    shutil.copy(HERE / "fuzz_orders.c", sources[1])
    shutil.copy(HERE.parents[1] / "Makefile", tmp_path)
    subprocess.run(["make", "--silent", "build/fuzz/orders"], cwd=tmp_path, check=True)
    command = [tmp_path / "build/fuzz/orders", f"-artifact_prefix={tmp_path}/", *(HERE / "orders_corpus").iterdir()]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert ran.returncode != 0
    assert "heap-buffer-overflow" in ran.stderr
