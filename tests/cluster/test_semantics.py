"""The semantics suite in a cluster: each case has the outcome that it has on the host and in podman."""

from __future__ import annotations

import os
import signal

import pytest
import yaml
from cluster_runs import KEPT_IMAGES, WAIT_FOR_GO
from semantic_cases import CASES, check, containers_without_identity, read

from monopod.benchmarks import attribution

NEEDS_ROOT = "the image does not run as root"
ITS_OWN = {
    KEPT_IMAGES[0]: {"config": {"Entrypoint": ["/bin/busybox", "echo", "entrypoint"], "Cmd": ["cmd", "$(GREETING)"]}}
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_the_same_in_a_cluster(name, runs, facts, tmp_path):
    text, expected = read(name, runs.namespace)
    missing = [image for image in KEPT_IMAGES if image in text and image not in facts.images]
    if missing:
        pytest.skip(f"case {name} (the nodes do not have {', '.join(missing)})")
    if expected.get("root") and not facts.is_root:
        pytest.skip(f"case {name} ({NEEDS_ROOT})")
    if name == "memory" and facts.has_cgroup_v2:  # kubelet lets the kernel kill the whole container
        expected["steps"]["a-child"]["survive"]["exitCode"] = 137
    options = []
    if expected.get("prebuilt"):
        if runs.target.cel_image not in facts.images:
            pytest.skip(f"case {name} (the nodes do not have {runs.target.cel_image}, a runtime image with CEL)")
        options += ["--runtime-image", runs.target.cel_image]
    options += expected.get("options", ())
    configurations = tmp_path / "images.yaml"
    configurations.write_text(yaml.safe_dump(ITS_OWN))
    ran = runs.run("-f", runs.write(text), "--image-config", configurations, *options)
    check(ran, expected)
    assert containers_without_identity(ran) == []


def test_every_line_is_shown_under_its_attempt_and_combination(runs):
    file = runs.write(attribution.pipeline())
    ran = runs.run(*attribution.options(), "-f", file)
    assert ran.code == 1
    assert attribution.wrong_lines(ran.messages) == []


RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: cancelled}
spec:
  pipelineSpec:
    tasks:
    - name: work
      retries: 1
      taskSpec:
        steps:
        - name: act
          image: any
          script: |
            trap 'echo stopping; exit 3' TERM
            WAIT_FOR_GO
            echo went on
        - {name: last, image: any, script: echo last}
    - name: next
      runAfter: [work]
      taskSpec: {steps: [{name: act, image: any, script: echo next}]}
    finally:
    - name: report
      taskSpec: {steps: [{name: act, image: any, script: echo work was $(tasks.work.status)}]}
""".replace("WAIT_FOR_GO", WAIT_FOR_GO)
WAYS = {
    "Ctrl-C": ({"work": "TaskRunCancelled"}, ["ready", "stopping"]),
    "Cancelled": ({"work": "TaskRunCancelled"}, ["ready", "stopping"]),
    "CancelledRunFinally": ({"work": "TaskRunCancelled", "report": "Succeeded"}, ["ready", "stopping"]),
    "StoppedRunFinally": ({"work": "Succeeded", "report": "Succeeded"}, ["ready", "went on"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_cancelled_in_each_way(way, runs):
    tasks, lines = WAYS[way]
    run = runs.start("-f", runs.write(RUN))
    run.wait_for("[work : act] ready")
    if way == "Ctrl-C":
        os.killpg(run.process.pid, signal.SIGINT)
    else:
        done = runs.monopod("cancel", "cancelled", "--grace", way)
        assert done.returncode == 0, done.stderr
    if way == "StoppedRunFinally":
        runs.go("work-act")
    ran = run.end()
    assert ran.code == 130, "\n".join(ran.messages)
    assert ran.condition["reason"] == "Cancelled"
    assert ran.reasons() == tasks
    assert ran.lines("work/act") == lines


def test_detached_run_can_be_followed_later(runs):
    file = runs.write(RUN)
    started = runs.monopod("run", "-f", file, "--detach", "--runtime-image", runs.target.image)
    assert started.returncode == 0, started.stderr
    runs.wait_for_container("work-act")
    runs.go("work-act")
    attached = runs.monopod("attach", "cancelled")
    assert attached.returncode == 0, attached.stdout + attached.stderr
    assert "[report : act] work was Succeeded" in attached.stdout
    logs = runs.monopod("logs", "cancelled", "work/act")
    assert logs.stdout == "ready\nwent on\n"
    assert "Succeeded" in runs.monopod("status", "cancelled").stdout
