"""A folder of this machine in a Pod: who owns its files, and what comes back."""

from __future__ import annotations

import pytest
from workspace_folder import digest, make_folder

SCRIPT = """\
cd $(workspaces.source.path)
stat -c '%u %g %a %n' input script empty
./script; readlink link; sha256sum large | cut -c 1-64 > digest
echo more >> input; umask 077; mkdir dist; cp digest dist
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    make_folder(folder, size=20 << 20)
    for path, mode in (("input", 0o644), ("script", 0o755), ("empty", 0o755)):
        (folder / path).chmod(mode)
    return folder


def run_of(script=SCRIPT, context=None, of_pod=None):
    step = {"name": "act", "image": "any", "script": script, "securityContext": context or {}}
    spec = {"workspaces": [{"name": "source"}], "steps": [step]}
    task = {"name": "build", "workspaces": [{"name": "source"}], "taskSpec": spec}
    pipeline = {"workspaces": [{"name": "source"}], "tasks": [task]}
    template = {"podTemplate": {"securityContext": of_pod or {}}}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "files"},
        "spec": {"pipelineSpec": pipeline, "taskRunTemplate": template},
    }


CASES = {
    "the user of the image": ({}, (0, 0), (0o644, 0o755)),
    "a user": ({"context": {"runAsUser": 1234, "runAsGroup": 4321}}, (1234, 4321), (0o644, 0o755)),
    "an fsGroup": ({"of_pod": {"runAsUser": 1234, "runAsGroup": 4321, "fsGroup": 77}}, (1234, 77), (0o664, 0o775)),
}


@pytest.mark.parametrize("case", CASES)
def test_files_belong_to_the_user_of_the_step(runs, need, facts, folder, tmp_path, case):
    need("files", ("create", "pods", "exec"))
    if case == "the user of the image" and not facts.is_root:
        pytest.skip("files of root (the image has another user)")
    options, owner, (of_file, of_script) = CASES[case]
    got = tmp_path / "got"
    ran = runs.run("-f", runs.write(run_of(**options)), "-w", f"source={folder}", "--fetch", f"source/dist:{got}")
    assert ran.code == 0, "\n".join(ran.messages)
    lines = ran.lines("build/act")
    assert lines[:2] == [f"{owner[0]} {owner[1]} {of_file:o} input", f"{owner[0]} {owner[1]} {of_script:o} script"]
    assert lines[3:5] == ["it runs", "input"]
    assert (got / "digest").read_text() == digest(folder)


def test_files_are_fetched_after_a_failed_run(runs, need, folder, tmp_path):
    need("files", ("create", "pods", "exec"))
    ran = runs.run(
        *("-f", runs.write(run_of(SCRIPT + "exit 3\n")), "-w", f"source={folder}"),
        *("--fetch", f"source/dist:{tmp_path / 'got'}"),
    )
    assert ran.code == 1
    assert (tmp_path / "got" / "digest").read_text() == digest(folder)
