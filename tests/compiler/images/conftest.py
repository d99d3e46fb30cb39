"""The environment of compilations that look images up: no engines and registries except the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from registry_server import registry, start_registry  # noqa: F401  # fixtures

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options

MAIN = "import sys; from monopod.runner.program import main; sys.exit(main())"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A PATH without engines, and neither the user's cache nor logins. Returns the directory of PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    return programs


@pytest.fixture
def engine(surroundings, tmp_path):
    """Makes a fake engine on PATH, which records its arguments in the file ``asked``."""

    def make(name, output="", messages="", code=0):
        answer = tmp_path / f"{name}-answer"
        answer.write_text(output if isinstance(output, str) else json.dumps(output))
        program = surroundings / name
        program.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open({str(tmp_path / 'asked')!r}, 'a').write(' '.join(sys.argv).rpartition('/')[2] + '\\n')\n"
            f"sys.stdout.write(open({str(answer)!r}).read())\n"
            f"sys.stderr.write({messages!r})\nsys.exit({code})\n"
        )
        program.chmod(0o755)

    return make


@pytest.fixture
def asked(tmp_path):
    """Returns the arguments of the engines."""
    return lambda: (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []


@pytest.fixture
def compiled():
    """Compiles a text, the file ``p.yaml``; keywords are fields of `Options`."""

    def make(text, **options):
        Path("p.yaml").write_text(textwrap.dedent(text))
        (compilation,) = compile_runs(load(["p.yaml"]), Options(**options))
        return compilation

    return make


@pytest.fixture
def problems(compiled):
    """Returns the problems of a text as lines or, if there are none, its warnings."""

    def make(text, **options):
        try:
            return [str(each) for each in compiled(text, **options).warnings]
        except Problems as error:
            return [str(each) for each in error.problems]

    return make


@pytest.fixture
def programs():
    """Returns the programs of the images in a compiled Pipeline by container."""

    def make(compilation):
        return {
            container: (list(program.entrypoint), list(program.cmd))
            for task in compilation.plan.pipeline.tasks
            for slot in task.slots
            for container, program in zip((*slot.containers, *slot.sidecars), slot.image_programs, strict=False)
            if program is not None
        }

    return make


@pytest.fixture
def images():
    """Returns the images of a Pod by container."""
    return lambda compilation: {each["name"]: each["image"] for each in compilation.pod["spec"]["containers"]}


@pytest.fixture
def monopod():
    """Runs the command; returns its exit code, standard output and standard error."""

    def run(*arguments, path=""):
        environment = {**os.environ, **({"PATH": path} if path else {})}
        ran = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    return run
