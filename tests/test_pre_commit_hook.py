"""The pre-commit hook: its command works. (pre-commit itself would install monopod.)"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec: {steps: [{image: alpine, command: [make]}]}
"""


def run_hook(folder: Path, *further: str) -> int:
    program, *arguments = [*shlex.split(HOOK["entry"]), *HOOK["args"], *further]
    command = [Path(sys.executable).with_name(program), *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode


def test_hook_fails_for_errors_and_with_strict_for_warnings(tmp_path: Path):
    (tmp_path / ".tekton").mkdir()
    file = tmp_path / ".tekton" / "task.yaml"
    file.write_text(TASK)
    assert run_hook(tmp_path) == 0
    assert run_hook(tmp_path, "--strict") == 2
    file.write_text(TASK.replace("image", "imagee"))
    assert run_hook(tmp_path) == 2


def test_documentation_mentions_the_hook():
    page = (ROOT / "docs" / "rules.md").read_text()
    assert f"- id: {HOOK['id']}" in page
    assert "`.tekton`" in page
    assert HOOK["args"] == [".tekton"]
