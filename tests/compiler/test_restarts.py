"""Which containers restart when they are killed, and what their Pod says then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.kube_version import WITH_RESTART_RULES, KubeVersion
from monopod.compiler.pod.workload import Workload

RULES = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [77, 137]}}]
LISTED = {"params": [{"name": "k", "value": ["a", "b", "c"]}]}
LATER = {"params": [{"name": "k", "value": "$(tasks.plain.results.list[*])"}]}


def task(name: str, **fields: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "steps": [{"name": "run", "image": "i:1", "script": "true"}],
        "sidecars": [{"name": "db", "image": "i:1", "script": "true"}],
    }
    if "matrix" in fields:
        spec["params"] = [{"name": "k"}]
    if name == "plain":
        spec["results"] = [{"name": "list", "type": "array"}]
    return {"name": name, "taskSpec": spec, **fields}


@pytest.fixture
def compiled(tmp_path: Path) -> Any:
    def compiled(*tasks: dict[str, Any], version: KubeVersion = WITH_RESTART_RULES, **options: Any) -> Compilation:
        document = {
            "apiVersion": "tekton.dev/v1",
            "kind": "Pipeline",
            "metadata": {"name": "p"},
            "spec": {"tasks": [task("plain"), *tasks]},
        }
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(document))
        (compilation,) = compile_runs(load([str(tmp_path / "p.yaml")]), Options(kube_version=version, **options))
        return compilation

    return compiled


def restarting(compilation: Compilation) -> dict[str, dict[str, Any]]:
    containers = compilation.pod["spec"]["containers"]
    return {each["name"]: each for each in containers if "restartPolicyRules" in each}


def test_steps_and_sidecars_of_a_task_with_retries_restart(compiled: Any) -> None:
    compilation = compiled(task("again", retries=2))
    found = restarting(compilation)
    assert set(found) == {"again-run", "again-sidecar-db"}
    for container in found.values():
        assert container["restartPolicy"] == "Never"
        assert container["restartPolicyRules"] == RULES
        assert container["command"] == ["/monopod/bin/entrypoint", "--restarts"]
    assert compilation.pod["spec"]["restartPolicy"] == "Never"
    plain, again = compilation.plan.pipeline.tasks
    assert [plain.slots[0].restarts, again.slots[0].restarts] == [False, True]


@pytest.mark.parametrize(
    ("matrix", "options", "restarts"),
    [(LISTED, {}, False), (LISTED, {"max_concurrency": 2}, True), (LATER, {}, True)],
    ids=["a slot for each", "fewer slots", "known while running"],
)
def test_slots_that_combinations_share_restart(
    compiled: Any, matrix: dict[str, Any], options: dict[str, Any], restarts: bool
) -> None:
    compilation = compiled(task("fan", matrix=matrix), **options)
    assert bool(restarting(compilation)) == restarts
    assert {slot.restarts for slot in compilation.plan.pipeline.tasks[1].slots} == {restarts}


def test_retries_inside_a_pipeline_in_a_pipeline_count(compiled: Any) -> None:
    inner = {"name": "inner", "pipelineSpec": {"tasks": [task("again", retries=1)]}}
    assert set(restarting(compiled(inner))) == {"inner-again-run", "inner-again-sidecar-db"}


@pytest.mark.parametrize("minor", [29, 34])
def test_no_older_cluster_gets_restart_rules(compiled: Any, minor: int) -> None:
    compilation = compiled(task("again", retries=2), version=KubeVersion(1, minor))
    for container in compilation.pod["spec"]["containers"]:
        assert container["command"] == ["/monopod/bin/entrypoint"]
        assert not {"restartPolicy", "restartPolicyRules"} & set(container)
    assert not any(slot.restarts for each in compilation.plan.pipeline.tasks for slot in each.slots)


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_the_api_accepts_it(compiled: Any, kind: Any) -> None:
    compilation = compiled(task("again", retries=2), version=KubeVersion(1, 36), workload=Workload(kind))
    kubernetes_validate.validate(compilation.workload, "1.36", strict=True)
