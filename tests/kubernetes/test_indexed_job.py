"""An Indexed Job from `monopod compile`: each of its Pods runs the part of its index."""

from __future__ import annotations

import json

import pytest
import yaml

from monopod.runner.kubernetes import existing
from monopod.runner.kubernetes.job_status import IndexStatus, index_statuses, status_lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]

PIPELINE = {
    "apiVersion": "tekton.dev/v1",
    "kind": "PipelineRun",
    "metadata": {"name": "wide"},
    "spec": {
        "params": [{"name": "files", "value": ["a", "b", "c"]}],
        "pipelineSpec": {
            "params": [{"name": "files", "type": "array"}],
            "tasks": [
                {
                    "name": "each",
                    "matrix": {"params": [{"name": "file", "value": "$(params.files[*])"}]},
                    "taskSpec": {
                        "params": [{"name": "file"}],
                        "steps": [
                            {
                                "name": "count",
                                "image": "busybox",
                                "script": 'echo "$(params.file) by $JOB_COMPLETION_INDEX"; [ $(params.file) != b ]',
                            }
                        ],
                    },
                }
            ],
        },
    },
}


def test_each_index_runs_its_part(monopod, api, cluster, write, tmp_path):
    job = tmp_path / "job.yaml"
    ran = monopod(
        "compile", "-f", write(PIPELINE), "--kind", "Job", "--shard-by", "files", "--queue", "team-a", "-o", job
    )
    assert ran.code == 0, ran.err
    body = yaml.safe_load(job.read_text())
    assert body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    cluster.request("POST", "/apis/batch/v1/namespaces/ci/jobs", body=body)

    def phases():
        pods = {key[2]: item for key, item in api.objects.items() if key[0] == "pods"}
        return {name: (item.get("status") or {}).get("phase") for name, item in pods.items()}

    with api.changed:
        assert api.changed.wait_for(lambda: set(phases().values()) <= {"Succeeded", "Failed"} and phases(), 60)
    assert phases() == {"wide-0-pod": "Succeeded", "wide-1-pod": "Failed", "wide-2-pod": "Succeeded"}
    for index, file in enumerate("abc"):
        ran = monopod("logs", f"job/wide/{index}", "each", "--context", "test")
        assert (ran.code, ran.out) == (0, f"{file} by {index}\n"), ran.err
    ran = monopod("logs", "job/wide", "--context", "test")
    assert ran.code != 0
    assert "the Job 'wide' has these indexes: 0 Succeeded, 1 Failed, 2 Succeeded; name one: job/wide/INDEX" in ran.err
    ran = monopod("status", "job/wide", "--context", "test")
    head, *rows, _, summary = ran.out.splitlines()
    assert (ran.code, head.split()) == (0, ["INDEX", "STATUS", "TRIES", "DURATION", "POD"]), ran.err
    assert [row.split()[:3] + row.split()[4:5] for row in rows] == [
        ["0", "Succeeded", "1", "wide-0-pod"],
        ["1", "Failed", "1", "wide-1-pod"],
        ["2", "Succeeded", "1", "wide-2-pod"],
    ]
    assert "Tasks Completed" in rows[1]
    assert summary == "wide: 3 indexes: 2 Succeeded, 1 Failed; monopod status job/wide/INDEX shows one"
    ran = monopod("status", "job/wide", "--context", "test", "-o", "json")
    assert [each["index"] for each in json.loads(ran.out)["indexes"]] == [0, 1, 2]
    assert monopod("status", "job/wide", "--context", "test", "-o", "name").out.split() == [
        "pod/wide-0-pod",
        "pod/wide-1-pod",
        "pod/wide-2-pod",
    ]
    assert "has no Pods, or does not exist" in monopod("logs", "job/nope", "--context", "test").err


def pod_of_index(index, name, phase="Running", **status):
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    return {"metadata": {"name": name, "annotations": annotations}, "status": {"phase": phase, **status}}


def indexed_job(completions, **status):
    return {"spec": {"completionMode": "Indexed", "completions": completions}, "status": status}


def test_indexes_without_a_pod_wait_and_the_newest_try_counts():
    started = {"startTime": "1970-01-01T00:00:10Z"}
    pods = [
        pod_of_index(2, "a", "Failed", reason="Evicted", message="the node was low on memory", **started),
        pod_of_index(2, "b", **started),
        pod_of_index(0, "c", "Failed", reason="Evicted", message="the node was low on memory"),
    ]
    statuses = list(index_statuses(pods, indexed_job(4), now=25.0))
    assert statuses == [
        IndexStatus(0, "Failed", 1, None, "c", "the Pod was evicted: the node was low on memory"),
        IndexStatus(1, "Waiting"),
        IndexStatus(2, "Running", 2, 15.0, "b"),
        IndexStatus(3, "Waiting"),
    ]
    assert status_lines("job", statuses)[3] == "2      Running  2      15.0s     b"
    assert len(list(index_statuses(pods, None, now=25.0))) == 3  # the Job cannot be read


def test_message_lists_few_of_many_indexes(monkeypatch):
    pods = [pod_of_index(index, f"p{index}") for index in range(1000)]
    monkeypatch.setattr(existing, "pods_of_job", lambda *_: pods)
    with pytest.raises(existing.NoSuchPodError) as raised:
        existing.find(None, "ci", "job/wide/1000")
    assert str(raised.value).endswith("8 Running, 9 Running and 990 more; name one: job/wide/INDEX")


def test_indexes_whose_pods_are_gone_have_the_status_that_the_job_knows():
    running = [pod_of_index(1, "b")]
    status = {"completedIndexes": "0,3-5", "failedIndexes": "6"}
    phases = [each.status for each in index_statuses(running, indexed_job(8, **status), now=25.0)]
    assert phases == ["Succeeded", "Running", "Waiting", "Succeeded", "Succeeded", "Succeeded", "Failed", "Waiting"]
    over = indexed_job(3, completedIndexes="0", conditions=[{"type": "Complete", "status": "True"}])
    assert [each.status for each in index_statuses([], over, now=25.0)] == ["Succeeded", "Stopped", "Stopped"]
