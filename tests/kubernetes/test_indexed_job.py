"""An Indexed Job from `monopod compile`: each of its Pods runs the part of its index."""

from __future__ import annotations

import pytest
import yaml

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
    ran = monopod("status", "job/wide", "--context", "test")
    assert ran.code != 0
    assert "the Job 'wide' has these indexes: 0 Succeeded, 1 Failed, 2 Succeeded; name one: job/wide/INDEX" in ran.err
    assert "has no Pods, or does not exist" in monopod("logs", "job/nope", "--context", "test").err
