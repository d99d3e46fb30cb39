"""Groups of Tasks in Pods of their own: each Pod really runs, in the order and with the values of its engine."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from group_engines import Argo, JobSetController, Tekton, pipeline_run, task

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]


PIPELINE = pipeline_run(
    task(
        "build",
        "first",
        """printf '%s' '{{x}} "$(context.pipelineRun.name)"' > $(results.version.path)
        printf '["a","b"]' > $(results.files.path)""",
        results=[("version", "string"), ("files", "array")],
    ),
    task("never", "first", "exit 1", when=[{"input": "a", "operator": "in", "values": ["b"]}]),
    task("flaky", "first", "[ $(context.task.retry-count) = 1 ]", retries=1),
    task(
        "test",
        "second",
        "echo $(params.file)",
        matrix={"params": [{"name": "file", "value": "$(tasks.build.results.files[*])"}]},
        when=[{"input": "$(tasks.build.results.files[0])", "operator": "in", "values": ["a"]}],
    ),
    task("with-guarded", "second", "echo after", runAfter=["never", "flaky"]),
    task("deploy", "third", "echo '$(tasks.build.results.version)'", runAfter=["test", "with-guarded"]),
)
PIPELINE["spec"]["pipelineSpec"]["tasks"][3]["taskSpec"]["params"] = [{"name": "file"}]


def test_argo_hands_results_from_pod_to_pod(compiled_groups, run_pod, monopod):
    argo = Argo(run_pod)
    argo.run(compiled_groups(PIPELINE, "Workflow"))
    assert argo.phases == {"first": "Succeeded", "second": "Succeeded", "third": "Succeeded"}
    ran = monopod("logs", "pod/big-third", "deploy", "--context", "test")
    assert ran.out == '{{x}} "big"\n', ran.err
    ran = monopod("status", "pod/big-first", "--context", "test")
    assert ran.out.startswith("Pod 'big-first' in namespace 'ci' is Succeeded; its coordinator logs text only"), ran.err
    ran = monopod("status", "pod/big-third", "--context", "test")
    assert ran.out.startswith("Succeeded (Completed): "), ran.err
    ran = monopod("logs", "pod/big-second", "test", "--context", "test")
    assert sorted(line.split()[-1] for line in ran.out.splitlines()) == ["a", "b"], ran.err
    ran = monopod("logs", "pod/big-second", "with-guarded", "--context", "test")
    assert ran.out == "after\n", ran.err


def test_argo_leaves_what_an_author_wrote_in_braces(compiled_groups, run_pod, monopod):
    step = task("a", "one", 'echo "$T"; echo "{{workflow.name}}"')
    step["taskSpec"]["steps"][0]["env"] = [{"name": "T", "value": "{{workflow.name}} {{x}} {{"}]
    Argo(run_pod).run(compiled_groups(pipeline_run(step, task("b", "two", "true", runAfter=["a"])), "Workflow"))
    ran = monopod("logs", "pod/big-one", "a", "--context", "test")
    assert ran.out == "{{workflow.name}} {{x}} {{\n{{workflow.name}}\n", ran.err


def test_a_failed_group_stops_those_after_it(compiled_groups, run_pod):
    failing = pipeline_run(task("a", "one", "exit 3"), task("b", "two", "true", runAfter=["a"]))
    argo = Argo(run_pod)
    argo.run(compiled_groups(failing, "Workflow"))
    assert argo.phases == {"one": "Failed"}
    assert not argo.outputs or "Failed" in next(iter(argo.outputs.values()))


def test_a_group_of_many_containers_hands_over_less(compiled_groups, run_pod):
    digests = "".join(sha256(bytes([number])).hexdigest() for number in range(38))  # 1.6 KB, compressed and in base64
    writer = task("a", "one", f"printf {digests} > $(results.r.path)", results=[("r", "string")])
    others = [task(f"other-{number}", "one", "true") for number in range(8)]
    many = pipeline_run(writer, *others, task("b", "two", "echo $(tasks.a.results.r)"))
    messages = []

    def run_and_note(name, pod):
        phase, message = run_pod(name, pod)
        messages.append(message)
        return phase, message

    argo = Argo(run_and_note)
    argo.run(compiled_groups(many, "Workflow"))
    assert argo.phases == {"one": "Succeeded", "two": "Failed"}
    assert re.search(r"Results of 1\d{3} bytes for this one, and its Pod can hand over 1228;", messages[1])


def test_tekton_hands_results_from_pod_to_pod(compiled_groups, run_pod, monopod, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    tekton = Tekton(run_pod, shared)
    tekton.run(compiled_groups(PIPELINE, "PipelineRun"))
    assert tekton.phases == {"first": "Succeeded", "second": "Succeeded", "third": "Succeeded"}
    assert sorted(tekton.results) == ["first", "second"]
    ran = monopod("logs", "pod/big-third", "deploy", "--context", "test")
    assert ran.out == '{{x}} "big"\n', ran.err


def test_the_jobs_of_a_job_set_run_in_order(compiled_groups, run_pod, monopod):
    ordered = pipeline_run(
        task("a", "one", "echo first"), task("b", "two", "echo '$(context.pipelineRun.name)'", runAfter=["a"])
    )
    job_set = compiled_groups(ordered, "JobSet", "--queue", "team")
    assert [(each["name"], each.get("dependsOn")) for each in job_set["spec"]["replicatedJobs"]] == [
        ("one", None),
        ("two", [{"name": "one", "status": "Complete"}]),
    ]
    controller = JobSetController(run_pod)
    controller.run(job_set)
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded"}
    ran = monopod("logs", "pod/big-two-0-0", "b", "--context", "test")
    assert ran.out == "big\n", ran.err
