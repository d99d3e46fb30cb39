"""Modules are compiled only when the compiled form is missing or old."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from monopod.runner.host.bytecode import compile_modules


def compiled(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


def test_modules_are_compiled_once_and_used_by_python(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("answer = 42\n")
    (tmp_path / "broken.py").write_text("def\n")
    (tmp_path / "other.txt").write_text("not Python\n")
    compile_modules(str(tmp_path))
    made = compiled(module).stat()
    compile_modules(str(tmp_path))
    assert compiled(module).stat().st_mtime_ns == made.st_mtime_ns
    command = [sys.executable, "-v", "-c", "import module; print(module.answer)"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "42\n"
    assert f"{compiled(module)} matches" in ran.stderr

    module.write_text("answer = 43 \n")
    os.utime(module, (1, 1))
    compile_modules(str(tmp_path))
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "43\n"
    assert f"{compiled(module)} matches" in ran.stderr
