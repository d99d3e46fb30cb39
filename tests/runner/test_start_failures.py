"""A container that cannot be started: its Task fails for the reason."""

import os
import subprocess
import sys

import pytest

from monopod.runner.follow import Follower

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: test}
spec:
  tasks:
  - name: mount
    retries: 2
    taskSpec:
      volumes: [{name: files, hostPath: {path: DIRECTORY}}]
      sidecars: [{name: side, image: busybox, script: sleep 1000}]
      steps:
      - {name: first, image: busybox, script: echo first}
      - {name: second, image: busybox, script: echo never, volumeMounts: [{name: files, mountPath: /f, subPath: link}]}
  finally:
  - name: report
    taskSpec: {steps: [{name: act, image: busybox, script: "echo mount was $(tasks.mount.status)"}]}
"""


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "link").symlink_to("/no/such/directory")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("DIRECTORY", str(tmp_path)))
    return tmp_path / "pipeline.yaml"


def test_the_task_of_a_container_that_could_not_be_started_tells_why(story):
    follower = Follower(story.plan(story.task("one", "a", "b"), story.task("two", "a")))
    words = follower.start_failed("one-b", "no such user")
    assert words == "container one-b could not be started: no such user"
    for task in ("one", "two"):
        follower.event(story.task_started(task, 1))
        (told,) = follower.event(story.task_finished(task, 2, "Failed", message="its container is gone"))
        assert told.message == (words if task == "one" else "its container is gone")
    assert [task.message for task in follower.tasks] == [words, "its container is gone"]


@pytest.mark.parametrize("status", ["Succeeded", "Cancelled"])
def test_a_task_that_ended_otherwise_keeps_its_own_message(story, status):
    follower = Follower(story.plan(story.task("one", "a")))
    follower.start_failed("one-a", "no such user")
    follower.event(story.task_started("one", 1))
    (told,) = follower.event(story.task_finished("one", 2, status, message="its own"))
    assert told.message == "its own"


def test_a_task_whose_step_failed_keeps_its_own_message(story):
    follower = Follower(story.plan(story.task("one", "a", "b")))
    follower.start_failed("one-b", "no such user")
    follower.event(story.task_started("one", 1))
    follower.event(story.step_finished("one", "a", 1, code=3))
    (told,) = follower.event(story.task_finished("one", 2, "Failed", message="its own"))
    assert told.message == "its own"


@pytest.mark.slow
def test_a_container_that_cannot_be_started_fails_its_task_at_once(pipeline, tmp_path):
    program = "import sys; from monopod.runner.command_line import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", "-f", str(pipeline)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (warning,) = [line for line in lines if line.startswith("warning: container mount-second could not be started: ")]
    reason = warning.removeprefix("warning: ")
    assert "/no/such/directory" in reason or "link" in reason
    (row,) = [line for line in lines if line.startswith("mount ")]
    assert reason in row
    assert "[report : act] mount was Failed" in lines
