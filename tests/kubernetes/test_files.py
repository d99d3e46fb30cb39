"""`-w NAME=FOLDER` and `--fetch` in a cluster: files are copied over connections that may break."""

from __future__ import annotations

import os
import signal

import pytest
from workspace_folder import digest, make_folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]

SCRIPT = """\
cd $(workspaces.source.path)
ls -A1 | tr '\\n' ' '; echo
cat input; stat -c %a script; ./script; readlink link
sha256sum large | cut -c 1-64 > digest
mkdir -p dist; cp input digest dist; chmod 600 dist/digest
ln -s / dist/root
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    make_folder(folder, size=3 << 20)
    (folder / "script").chmod(0o750)
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("ignored")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def document(make):
    def document(script=SCRIPT, **fields):
        task = make.task("build", script)
        task["taskSpec"]["workspaces"] = task["workspaces"] = [{"name": "source"}]
        run = make.run(task, **fields)
        run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "source"}]
        return run

    return document


def test_the_steps_have_the_files_and_give_files_back(monopod, api, write, document, folder, tmp_path):
    options = ("-w", "source=.", "--fetch", "source/dist:../got")
    ran = monopod("run", "-f", write(document()), "--context", "test", *options)
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    start = lines.index("[build : act] .gitignore empty input large link script")
    assert lines[start + 1 : start + 5] == [
        "[build : act] uncommitted",
        "[build : act] 750",
        "[build : act] it runs",
        "[build : act] input",
    ]
    copied = next(line for line in lines if line.startswith("Copied "))
    assert copied == "Copied 5 files (3 MiB) of . to Workspace 'source', without ignored files"
    assert lines[-1] == "Fetched 2 files (77 bytes) from source/dist to ../got"
    got = tmp_path / "got"
    assert sorted(path.name for path in got.iterdir()) == ["digest", "input"]
    assert (got / "digest").read_text() == digest(folder)
    assert "symbolic links that lead out of ../got were not fetched: root" in ran.err
    assert not (folder / "dist").exists()
    api.wait_for(lambda: api.objects == {})


def test_ignored_files_are_copied_on_request(monopod, write, document, folder):
    script = "cat $(workspaces.source.path)/a.log"
    options = ("-w", "source=.", "--include-ignored")
    ran = monopod("run", "-f", write(document(script)), "--context", "test", *options)
    assert ran.code == 0, ran
    assert "[build : act] ignored" in ran.out
    hint = "to Workspace 'source'; changes stay in the Pod (--fetch source:DIR copies them back)"
    assert next(line for line in ran.out.splitlines() if line.startswith("Copied ")).endswith(hint)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_broken_connections_are_continued(monopod, api, write, document, folder, tmp_path, protocol):
    api.exec_protocols = (protocol,)
    api.exec_cuts = [100, 1 << 20, 2 << 20, 10, None, 5, 60, 1000]
    options = ("-w", "source=.", "--fetch", "source:../got")
    ran = monopod("run", "-f", write(document()), "--context", "test", *options)
    assert ran.code == 0, ran
    assert api.exec_cuts == []
    got = tmp_path / "got"
    assert (got / "digest").read_text() == digest(folder)
    assert (got / "large").read_bytes() == (folder / "large").read_bytes()


def test_a_connection_that_never_lasts_fails_clearly(monopod, api, write, document, folder):
    api.exec_cuts = [10] * 100
    ran = monopod("run", "-f", write(document()), "--context", "test", "-w", "source=.")
    assert ran.code == 1
    assert "the run did not start: gave up after 5 attempts without progress" in ran.out
    assert "[build]" not in ran.out
    api.wait_for(lambda: api.objects == {})


def test_files_are_fetched_after_a_failed_run(monopod, write, document, folder, tmp_path):
    options = ("-w", "source=.", "--fetch", "source:../got")
    ran = monopod("run", "-f", write(document(SCRIPT + "exit 3\n")), "--context", "test", *options)
    assert ran.code == 1
    assert (tmp_path / "got" / "dist" / "digest").read_text() == digest(folder)


def test_what_cannot_be_fetched_makes_the_command_fail(monopod, write, document, folder):
    options = ("-w", "source=emptyDir", "--fetch", "source/nowhere:../got")
    ran = monopod("run", "-f", write(document("true")), "--context", "test", *options)
    assert ran.code == 1
    assert "monopod run: cannot fetch source/nowhere: there is no 'nowhere' in the Workspace" in ran.err


def test_missing_permission_to_run_commands_is_reported(monopod, api, write, document, folder):
    api.refuse("create", "pods/exec")
    ran = monopod("run", "-f", write(document()), "--context", "test", "-w", "source=.")
    assert ran.code == 1
    assert "jane may not create pods/exec" in ran.out
    api.wait_for(lambda: api.objects == {})


def test_a_detached_run_has_its_files_before_the_command_returns(monopod, api, write, document, folder):
    ran = monopod("run", "-f", write(document()), "--context", "test", "--detach", "-w", "source=.")
    assert ran.code == 0, ran
    assert "Copied 5 files" in ran.err
    (folder / "input").unlink()
    assert monopod("attach", "build", "--context", "test").code == 0
    api.wait_for(lambda: api.pod()["status"]["phase"] == "Succeeded")


def test_a_detached_run_whose_files_cannot_be_copied_leaves_nothing(monopod, api, write, document, folder):
    api.exec_cuts = [10] * 100
    ran = monopod("run", "-f", write(document()), "--context", "test", "--detach", "-w", "source=.")
    assert ran.code == 2
    assert "the run did not start: gave up after 5 attempts" in ran.err
    api.wait_for(lambda: api.objects == {})


def test_a_detached_run_fetches_nothing(monopod, api, write, document, folder):
    options = ("--detach", "--fetch", "source:../got")
    ran = monopod("run", "-f", write(document()), "--context", "test", *options)
    assert ran.code == 2
    assert "--detach does not support --fetch" in ran.err
    assert api.requests == []


def test_a_pod_that_is_kept_ends_once_everything_is_fetched(monopod, api, write, document, folder):
    options = ("-w", "source=.", "--fetch", "source/dist:../got", "--keep=always")
    assert monopod("run", "-f", write(document()), "--context", "test", *options).code == 0
    api.wait_for(lambda: api.pod()["status"]["phase"] == "Succeeded")


def test_ctrl_c_during_the_copy_runs_nothing(api, start_monopod, write, document, folder):
    for index in range(100):
        (folder / f"large{index}").write_bytes(os.urandom(1 << 20))
    process = start_monopod("run", "-f", write(document()), "--context", "test", "-w", f"source={folder}")
    api.wait_for(lambda: any("receive" in command for _, _, command in api.executed))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert "[build : act]" not in out
    api.wait_for(lambda: api.objects == {})


def test_old_clusters_without_native_sidecars(monopod, api, write, document, folder, tmp_path):
    api.version = "v1.28.9"
    options = ("-w", "source=.", "--fetch", "source/dist:../got")
    ran = monopod("run", "-f", write(document()), "--context", "test", *options)
    assert ran.code == 0, ran
    assert (tmp_path / "got" / "digest").read_text() == digest(folder)
