"""The workflow that publishes a version: what GitHub accepts, and what it must not forget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monopod.runtime.carried import ARCHITECTURES

ROOT = Path(__file__).parents[2]
PATH = ROOT / ".github/workflows/release.yaml"
WORKFLOW = yaml.safe_load(PATH.read_text())
JOBS = WORKFLOW["jobs"]


@pytest.mark.packages
def test_github_accepts_it():
    program = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([program, "--builtin-schema", "vendor.github-workflows", PATH], check=True)


def test_the_image_is_built_for_every_architecture():
    built = [each["arch"] for each in JOBS["image"]["strategy"]["matrix"]["include"]]
    assert sorted(built) == sorted(ARCHITECTURES)


def test_nothing_is_published_before_everything_was_tried():
    assert set(JOBS["publish"]["needs"]) == JOBS.keys() - {"publish"}
    assert JOBS["publish"]["environment"] == "release"
    assert WORKFLOW["permissions"] == {"contents": "read"}
    writers = {name for name, job in JOBS.items() if job.get("permissions", {}).get("id-token") == "write"}
    assert writers == {"publish"}


def test_the_image_has_an_sbom_and_provenance():
    (build,) = (each for each in JOBS["image"]["steps"] if each.get("id") == "build")
    assert build["with"]["sbom"] is True
    assert build["with"]["provenance"] == "mode=max"
    assert build["with"]["file"] == "images/Containerfile"
    assert (ROOT / build["with"]["file"]).is_file()


def test_only_a_tag_of_the_version_is_released(tmp_path: Path):
    (compare,) = (each for each in JOBS["wheel"]["steps"] if each.get("name") == "compare the tag with the version")
    (tmp_path / "__init__.py").write_text('__version__ = "1.2.3"\n')
    codes = {
        tag: subprocess.run(
            ["bash", "-e", "-c", compare["run"]], cwd=tmp_path, env={"GITHUB_REF_NAME": tag}, check=False
        ).returncode
        for tag in ("v1.2.3", "1.2.3", "v1.2.4")
    }
    assert codes == {"v1.2.3": 0, "1.2.3": 1, "v1.2.4": 1}


def test_what_the_steps_write_into_commands_comes_from_the_environment():
    """An expression in a script would be replaced before the shell parses it."""
    scripts = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]
