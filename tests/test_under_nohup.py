"""The suite passes under ``nohup`` and in the jobs of CI agents that ignore signals, and no test waits forever."""

import subprocess
import sys
from pathlib import Path

import deaf

TESTS = Path(__file__).parent
WITHIN = """\
import subprocess

import deaf


def test_programs_that_a_test_starts_have_every_signal():
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
    assert deaf.signals_of(status) == (set(), set())


def test_a_wait_has_a_limit(pytestconfig):
    assert 0 < float(pytestconfig.getini("timeout")) <= 3600
"""


def test_suite_with_ignored_signals(tmp_path):
    (tmp_path / "test_within.py").write_text(WITHIN)
    pytest = [sys.executable, "-m", "pytest", "-q", "-c", TESTS.parent / "pyproject.toml", "-p", "conftest"]
    done = subprocess.run(
        [sys.executable, deaf.__file__, *pytest, f"--rootdir={tmp_path}", tmp_path],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{TESTS}:{TESTS / 'support'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
