"""`-w NAME=FOLDER`: the Steps work on a folder of this machine."""

import json
import os
import subprocess
import sys

import pytest
from host_run import PROGRAM

pytestmark = pytest.mark.slow

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  workspaces: [{name: source}]
  steps:
  - name: act
    image: busybox
    workingDir: $(workspaces.source.path)
    script: |
      cat input
      mkdir -p dist && echo built > dist/output
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "here").mkdir()

    def run(*options, cwd="here"):
        command = [sys.executable, "-c", PROGRAM, "run", "-f", str(tmp_path / "task.yaml"), *options]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path / cwd, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(("binding", "cwd"), [(".", "here"), ("./here", "."), ("../here", "here")])
def test_steps_read_and_write_the_folder(run, tmp_path, binding, cwd):
    (tmp_path / "here" / "input").write_text("uncommitted\n")
    ran = run("-w", f"source={binding}", cwd=cwd)
    assert ran.returncode == 0, ran
    assert "[build : act] uncommitted" in ran.stdout
    assert (tmp_path / "here" / "dist" / "output").read_text() == "built\n"


def test_missing_folder_prevents_the_run(run, tmp_path):
    ran = run("-w", "source=./nowhere")
    assert ran.returncode == 2
    assert f"there is no directory {tmp_path}/here/nowhere; make it, or name another" in ran.stderr
    assert not (tmp_path / "here" / "nowhere").exists()


FILES = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  workspaces: [{name: source}, {name: other, optional: true}]
  steps:
  - name: act
    image: busybox
    workingDir: $(workspaces.source.path)
    script: |
      umask 022
      mkdir -p dist/deep empty && printf 'in deep' > dist/deep/file && printf '#!/bin/sh' > dist/run
      chmod 777 dist/run; chmod 600 dist/deep/file
      ln -s run dist/link; ln -s /etc/passwd dist/out; ln -s ../../outside dist/up
      ln -s dist current; ln -s / root
      exit CODE
"""


@pytest.fixture
def fetch(tmp_path, run):
    def fetch(*options, code=0):
        (tmp_path / "task.yaml").write_text(FILES.replace("CODE", str(code)))
        return run(*options)

    return fetch


def tree(directory):
    """What is in a directory: the target of each link, the mode and the text of each file."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = (path.stat().st_mode & 0o777, path.read_text())
        else:
            found[name] = None
    return found


DIST = {"deep": None, "deep/file": (0o600, "in deep"), "run": (0o755, "#!/bin/sh"), "link": "run"}


@pytest.mark.parametrize("code", [0, 1])
def test_files_are_fetched_after_a_run_even_if_it_failed(fetch, tmp_path, code):
    ran = fetch("-w", "source=emptyDir", "--fetch", "source/dist:../got/it", code=code)
    assert ran.returncode == code, ran
    assert tree(tmp_path / "got" / "it") == DIST
    assert "Fetched 3 files" in ran.stdout.splitlines()[-1]
    assert ran.stdout.splitlines()[-1].endswith("from source/dist to ../got/it")
    assert "symbolic links that lead out of ../got/it were not fetched: out, up" in ran.stderr


def test_everything_and_a_single_file_are_fetched_and_merged(fetch, tmp_path):
    (tmp_path / "all" / "dist").mkdir(parents=True)
    (tmp_path / "all" / "dist" / "mine").write_text("mine")
    (tmp_path / "all" / "dist" / "run").write_text("old")
    ran = fetch("-w", "source=emptyDir", "--fetch", "source:../all", "--fetch", "source/dist/run:../one")
    assert ran.returncode == 0, ran
    whole = {f"dist/{name}": content for name, content in DIST.items()}
    mine = {"dist/mine": (0o644, "mine")}
    assert tree(tmp_path / "all") == {"dist": None, "empty": None, "current": "dist", **whole, **mine}
    assert tree(tmp_path / "one") == {"run": (0o755, "#!/bin/sh")}


def test_mounted_folder_can_be_fetched_from(fetch, tmp_path):
    assert fetch("-w", "source=.", "--fetch", "source/current:../got").returncode == 0
    assert tree(tmp_path / "got") == DIST


def test_a_volume_in_memory_can_be_fetched_from(fetch, tmp_path):
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "in-memory"},
        "spec": {"taskRef": {"name": "build"}, "workspaces": [{"name": "source", "emptyDir": {"medium": "Memory"}}]},
    }
    (tmp_path / "here" / "run.yaml").write_text(json.dumps(run))
    ran = fetch("-f", "run.yaml", "--fetch", "source/dist:../got")
    assert ran.returncode == 0, ran
    assert tree(tmp_path / "got") == DIST


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("source/nowhere", "cannot fetch source/nowhere: there is no 'nowhere' in the Workspace"),
        ("source/root/etc", "cannot fetch source/root/etc: 'root/etc' leads out of the Workspace"),
        ("source/../..", "cannot fetch source/../..: '../..' leads out of the Workspace"),
    ],
)
def test_failed_fetch_fails_the_command(fetch, tmp_path, path, message):
    ran = fetch("-w", "source=emptyDir", "--fetch", f"{path}:../got", "--fetch", "source/dist/run:../one")
    assert ran.returncode == 1
    assert message in ran.stderr
    assert tree(tmp_path / "got") == {}
    assert tree(tmp_path / "one") == {"run": (0o755, "#!/bin/sh")}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("sorce:got", "--fetch sorce: there is no Workspace 'sorce' (did you mean 'source'?)"),
        ("other:got", "--fetch other: there is no Workspace 'other'"),
        ("source", "expected WORKSPACE[/PATH]:DIR, got 'source'"),
        (":got", "expected WORKSPACE[/PATH]:DIR, got ':got'"),
    ],
)
def test_wrong_option_prevents_the_run(fetch, option, message):
    ran = fetch("-w", "source=emptyDir", "--fetch", option)
    assert ran.returncode == 2
    assert message in ran.stderr
