"""Folders of this machine that ``-w`` binds to Workspaces."""

from __future__ import annotations

import os

import pytest

TASK = """
    apiVersion: tekton.dev/v1
    kind: Task
    metadata: {name: build}
    spec:
      workspaces: [{name: source}]
      steps: [{image: i, script: ls $(workspaces.source.path)}]
"""


@pytest.fixture
def source(compiled, tmp_path, monkeypatch):
    """Returns the volume of the Workspace for a binding; the working directory is ``here``, with a folder ``src``."""
    (tmp_path / "src").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "src"))

    def source(binding, **options):
        pod = compiled(TASK, workspaces=(("source", binding),), **options).pod
        return next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "workspace-source")

    return source


@pytest.mark.parametrize(
    ("binding", "path"),
    [(".", "."), ("./src", "src"), ("src/../src", None), ("..", ".."), ("../", ".."), ("~", "src"), ("/", "/")],
)
def test_folder_is_mounted_for_a_pod_on_this_machine(source, tmp_path, binding, path):
    if path is None:
        with pytest.raises(Exception, match=r"expected \./src/\.\./src, emptyDir"):
            source(binding, folders="mounted", local=True)
        return
    expected = {"path": os.path.abspath(tmp_path / path), "type": "Directory"}
    assert source(binding, folders="mounted", local=True) == {"name": "workspace-source", "hostPath": expected}


def test_copied_folder_needs_an_empty_volume(source):
    assert source("./src", folders="copied") == {"name": "workspace-source", "emptyDir": {}}


def test_name_without_a_dot_has_a_suggestion(problems, source):
    assert problems(TASK, workspaces=(("source", "src"),), folders="mounted") == [
        "-w source=src: expected ./src, emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME"
    ]
