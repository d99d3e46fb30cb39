"""Every example in a cluster, with one image for all of its Steps: it succeeds."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from example_repository import git, make_repository
from team_examples import options_of_teams

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path for path in ROOT.glob("examples/*/*.yaml") if path.name != "monopod.yaml")


@pytest.fixture
def bundle(runs, tmp_path):
    """A git repository with the example's application, as one file in a ConfigMap."""
    folder = tmp_path / "repository"
    make_repository(folder)
    git(folder, "bundle", "create", "-q", "../app.bundle", "--all", "HEAD")
    data = base64.b64encode((tmp_path / "app.bundle").read_bytes()).decode()
    metadata = {"name": "repository"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {"app.bundle": data}}
    runs.create("configmaps", body)
    yield
    runs.delete("configmaps", "repository")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_succeeds_in_a_cluster(example, runs, facts, request, tmp_path):
    options = {
        "python-ci": ["-w", "source=emptyDir", "-w", "repository=configMap:repository",
                      "-p", "repository=/workspace/repository/app.bundle", "-p", "base-revision=none"],
        "survey": ["-w", "folder=hostPath:/etc"],
        "cache": ["-w", f"source={ROOT}/examples/cache/shop"],
        **options_of_teams(lambda name: f"{ROOT}/examples/{name}", tmp_path),
    }.get(example.parent.name, [])  # fmt: skip
    if example.parent.name == "python-ci":
        if not facts.has_git:
            pytest.skip("example python-ci (the image has no git)")
        request.getfixturevalue("bundle")
    ran = runs.run("-f", runs.write(example.read_text()), *options)
    assert ran.code == 0, "\n".join(ran.messages)
    assert set(ran.reasons().values()) == {"Succeeded"}
