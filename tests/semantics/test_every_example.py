"""Every example succeeds in containers and on the host, with the same status.

The images of the examples are not pulled: images with the same names are built from this machine's programs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from example_repository import make_repository
from finished_run import FinishedRun
from team_examples import options_of_teams

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path for path in ROOT.glob("examples/*/*.yaml") if path.name != "monopod.yaml")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A reproducible git repository with the example's application."""
    folder = tmp_path / "repository"
    make_repository(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with some files to look at."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "program.py").write_text("# TODO: more\nprint('hello')\n")
    (folder / "notes.txt").write_text("one\ntwo\nthree\nFIXME four\n")
    (folder / "large.bin").write_bytes(bytes(300_000))
    return folder


def options(example: Path, repository: Path, folder: Path) -> list[str]:
    known = {
        "python-ci": ["-w", f"repository=hostPath:{repository}", "-p", "base-revision=none"],
        "cache": ["-w", f"source=hostPath:{folder}", "--cache-store", "-"],  # a second run would print something else
        "survey": ["-w", f"folder=hostPath:{folder}"],
        **options_of_teams(lambda name: f"hostPath:{ROOT / 'examples' / name}", folder),
    }
    return known.get(example.parent.name, [])


@pytest.mark.parametrize("backend_name", ["host", "podman"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_example_is_the_same_on_every_backend(example, backend_name, make_backend, run_once, repository, folder):
    name = f"{example.parent.name}-{example.stem}"

    def run(backend_name: str) -> FinishedRun:
        backend = make_backend(backend_name)
        arguments = ["-f", example, *options(example, repository, folder)]
        return run_once(f"example-{name}-{backend_name}", lambda: backend.run(*arguments))

    ran = run(backend_name)
    assert ran.code == 0, "\n".join(ran.messages)
    assert set(ran.reasons().values()) == {"Succeeded"}
    if backend_name != "host":
        assert ran.comparable()["status"] == run("host").comparable()["status"]
