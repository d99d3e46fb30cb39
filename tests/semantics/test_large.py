"""A Pipeline of a hundred Steps in a hundred containers: parallel chains, which test order and breadth."""

from __future__ import annotations

import pytest
import yaml

pytestmark = pytest.mark.slow

CHAINS, LENGTH, STEPS = 5, 5, 4


def pipeline() -> dict:
    tasks = []
    for chain in range(CHAINS):
        for place in range(LENGTH):
            before = f"$(tasks.t{chain}-{place - 1}.results.sum)" if place else "0"
            steps = [
                {
                    "name": f"s{number}",
                    "image": "localhost/monopod-test/busybox:1",
                    "script": "cd $(workspaces.files.path); sum=$(cat sum 2>/dev/null || echo $(params.before))\n"
                    "echo $((sum + 1)) > sum; printf %s $((sum + 1)) > $(results.sum.path)",
                }
                for number in range(STEPS)
            ]
            task_spec = {
                "params": [{"name": "before"}],
                "workspaces": [{"name": "files"}],
                "results": [{"name": "sum"}],
                "steps": steps,
            }
            workspace = {"name": "files", "workspace": "files", "subPath": f"t{chain}-{place}"}
            params = [{"name": "before", "value": before}]
            task = {"name": f"t{chain}-{place}", "params": params, "workspaces": [workspace], "taskSpec": task_spec}
            tasks.append(task)
    results = [
        {"name": f"sum-{chain}", "value": f"$(tasks.t{chain}-{LENGTH - 1}.results.sum)"} for chain in range(CHAINS)
    ]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "large"},
        "spec": {"workspaces": [{"name": "files"}], "tasks": tasks, "results": results},
    }


def test_a_hundred_steps(backend, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump(pipeline()))
    ran = backend.run("-f", file, "-w", "files=emptyDir")
    assert ran.code == 0, "\n".join(ran.messages)
    assert sum(len(status["steps"]) for status in ran.tasks().values()) == CHAINS * LENGTH * STEPS == 100
    assert ran.results() == {f"sum-{chain}": str(LENGTH * STEPS) for chain in range(CHAINS)}
