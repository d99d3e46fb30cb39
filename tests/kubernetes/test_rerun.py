"""`monopod rerun --failed` of a run in a cluster: the record has the Results, a volume the files."""

import json
import time

import pytest

from monopod.runner.records.repetition import read_repetition

pytestmark = pytest.mark.slow

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: flow}
spec:
  params: [{name: verdict, default: bad}]
  workspaces: [{name: source}]
  tasks:
  - name: build
    workspaces: [{name: source}]
    taskSpec:
      workspaces: [{name: source}]
      results: [{name: image}]
      steps:
      - name: make
        image: busybox
        script: echo made > $(workspaces.source.path)/made; printf app:1 > $(results.image.path)
  - name: test
    workspaces: [{name: source}]
    params: [{name: image, value: $(tasks.build.results.image)}, {name: verdict, value: $(params.verdict)}]
    taskSpec:
      params: [{name: image}, {name: verdict}]
      workspaces: [{name: source}]
      steps:
      - {name: judge, image: busybox, script: test $(params.image)$(params.verdict) = app:1good}
"""


@pytest.fixture
def run(kubelet, monopod, tmp_path, monkeypatch):
    """Runs the Pipeline in the cluster with a binding; returns the name of the run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "flow.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)

    def run(binding):
        ran = monopod("run", "-f", "flow.yaml", "--context", "test", "-w", binding, "-o", "json")
        assert ran.code == 1, ran.err
        return json.loads(ran.out)["metadata"]["name"]

    return run


def test_files_of_a_pod_that_was_removed_are_the_reason_to_refuse(run, monopod):
    name = run("source=emptyDir")
    ran = monopod("rerun", "--failed", "-p", "verdict=good")
    assert ran.code == 2
    assert f"the files of the Workspace 'source' are gone with the Pod of {name}" in ran.err


CLAIM_TEMPLATE = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
CLAIM_OF_POD = ("-w", "name=source,volumeClaimTemplateFile=claim.yaml", "--keep-volume-claims")


@pytest.fixture
def run_with_claim(run, api, tmp_path):
    """Runs the Pipeline with a claim of its Pod, which stays as monopod.yaml says; returns the names of both."""
    (tmp_path / "claim.yaml").write_text(CLAIM_TEMPLATE)
    (tmp_path / "monopod.yaml").write_text("keepWorkspaces: true\n")

    def run_with_claim():
        name = run("name=source,volumeClaimTemplateFile=claim.yaml")
        (volume,) = [each for each in api.pod(name)["spec"]["volumes"] if each["name"] == "workspace-source"]
        assert "ephemeral" in volume
        claim = f"{name}-workspace-source"  # made by the cluster
        api.put("persistentvolumeclaims", "ci", {"metadata": {"name": claim, "uid": claim}})
        return name, claim

    return run_with_claim


def test_a_claim_of_a_kept_pod_is_used(run_with_claim, monopod, api, tmp_path):
    name, claim = run_with_claim()
    ran = monopod("rerun", "--failed", "-p", "verdict=good", "-o", "json")
    assert ran.code == 0, ran.err
    assert f"[build] Skipped: Task was reused: it succeeded in {name}" in ran.err
    again = api.pod(json.loads(ran.out)["metadata"]["name"])
    (volume,) = [each for each in again["spec"]["volumes"] if each["name"] == "workspace-source"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim


def test_a_claim_that_is_gone_with_its_pod_is_the_reason_to_refuse(run_with_claim, monopod, api):
    name, claim = run_with_claim()
    del api.objects["persistentvolumeclaims", "ci", claim]
    ran = monopod("rerun", "--failed", "-p", "verdict=good")
    assert ran.code == 2
    assert f"the files of the Workspace 'source' are gone with the Pod of {name}" in ran.err


def test_claims_are_recorded_while_the_pod_runs_since_its_follower_may_be_killed(
    run, start_monopod, api, monopod, tmp_path
):
    (tmp_path / "claim.yaml").write_text(CLAIM_TEMPLATE)
    (tmp_path / "flow.yaml").write_text(PIPELINE.replace("script: test", "script: sleep 300; test"))
    words = (*CLAIM_OF_POD, "-f", "flow.yaml", "--context", "test")
    process = start_monopod("run", *words)
    while not (found := list(tmp_path.glob("state/monopod/runs/*/run.json"))):
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()
    (record,) = found
    kept = {"workspace-source": f"pvc:{record.parent.name}-workspace-source"}
    assert read_repetition(record.parent).kept == kept
    process.kill()
    process.wait()
    assert api.pod(record.parent.name)
    assert read_repetition(record.parent).kept == kept


def test_claims_of_a_detached_run_are_recorded(run, monopod, tmp_path):
    (tmp_path / "claim.yaml").write_text(CLAIM_TEMPLATE)
    words = (*CLAIM_OF_POD, "-f", "flow.yaml", "--context", "test", "--detach", "-p", "verdict=good")
    assert monopod("run", *words).code == 0
    (record,) = tmp_path.glob("state/monopod/runs/*")
    (claim,) = read_repetition(record).kept.values()
    assert claim.startswith("pvc:flow-run-")
    assert claim.endswith("-workspace-source")


def test_claims_of_a_pod_that_was_removed_are_not_recorded(run, monopod, tmp_path):
    (tmp_path / "claim.yaml").write_text(CLAIM_TEMPLATE)
    words = (*CLAIM_OF_POD, "-f", "flow.yaml", "--context", "test")
    assert monopod("run", *words, "-p", "verdict=good").code == 0
    (record,) = tmp_path.glob("state/monopod/runs/*")
    assert read_repetition(record).kept == {}


def test_a_claim_that_cannot_be_looked_for(run_with_claim, monopod, api):
    run_with_claim()
    api.refuse("get", "persistentvolumeclaims", 500, "broken", "InternalError")
    ran = monopod("rerun", "--failed", "-p", "verdict=good")
    assert ran.code == 2
    assert ran.err.endswith("cannot look for kept claims: broken\n")


def test_results_come_from_the_record(run, monopod, tmp_path):
    (tmp_path / "files").mkdir(mode=0o777)
    name = run(f"source=hostPath:{tmp_path / 'files'}")
    ran = monopod("rerun", "--failed", "-p", "verdict=good", "-o", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["status"]["skippedTasks"] == [{"name": "build", "reason": "Task was reused"}]
    assert f"[build] Skipped: Task was reused: it succeeded in {name}" in ran.err
