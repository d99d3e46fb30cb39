"""Random Pipelines run in groups as in one Pod: the same Steps with the same arguments, and the same Tasks skipped."""

from __future__ import annotations

import json
from random import Random

import pytest
from simulation import Behaviour, simulate

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.grouping.groups import compile_groups
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import plan_of
from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.handover import hand_over, take_over

OPTIONS = Options(runtime_image="example.com/monopod:1")  # it has CEL
TEXTS = ("yes", "no", '{{x}} "q" $(params.p) é\n', "long" * 5)


class Generator:
    """Makes a PipelineRun from a seed: Tasks with a group, or without one, that use Results of earlier ones."""

    def __init__(self, seed, values=0.5):
        """`values` is how often a Task uses Results."""
        self.random = Random(seed)
        self.values = values
        self.made = []  # of each Task: its name, and what it is

    def chance(self, probability):
        return self.random.random() < probability

    def run(self):
        count = self.random.randint(2, 7)
        tasks = [self.task(f"t{number}", number * 3 // count) for number in range(count)]
        metadata = {"name": "alike"}
        spec = {"pipelineSpec": {"tasks": tasks}}
        return {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata, "spec": spec}

    def task(self, name, position):
        kind = self.random.choice(("plain",) * 5 + ("matrix", "fan-out", "pipeline"))
        task = {"name": name, "runAfter": [earlier for earlier, _ in self.made if self.chance(0.3)]}
        if guards := list(self.guards()):
            task["when"] = guards
        params = list(self.params())
        task["params"] = params
        if kind == "pipeline":
            task["pipelineSpec"] = self.pipeline(params)
        else:
            task["taskSpec"] = self.spec(params, position)
            task |= self.random.choice(({}, {}, {"retries": 2}, {"onError": "continue"}))
        if kind in ("matrix", "fan-out"):
            found = self.array() if kind == "fan-out" and self.chance(2 * self.values) else None
            count = 0 if self.chance(0.3) else self.random.randint(1, 3)
            task["matrix"] = {"params": [{"name": "m", "value": found or ["m1", "m2", "m3"][:count]}]}
            task["taskSpec"]["params"].append({"name": "m"})
            task["taskSpec"]["steps"][0]["script"] += " $(params.m)"
            task["taskSpec"]["results"] = [{"name": "s"}]
        self.made.append((name, "matrix" if "matrix" in task else kind))
        return task

    def spec(self, params, position):
        group = self.random.randint(0, 2) if self.chance(0.3) else position
        texts = [f"'$(params.{each['name']})'" for each in params if each["name"] == "p"]
        steps = [{"name": "s", "image": "i", "script": " ".join(["run", *texts])}]
        steps[0]["args"] = [f"$(params.{each['name']}[*])" for each in params if each["name"] == "q"]
        return {
            "metadata": {"annotations": {"monopod.dev/group": f"g{group}"}} if self.chance(0.8) else {},
            "params": [{"name": each["name"], "type": "array" if each["name"] == "q" else "string"} for each in params],
            "results": [
                {"name": "s"},
                {"name": "l", "type": "array"},
                {"name": "o", "type": "object", "properties": {"k": {}}},
            ],
            "steps": steps,
        }

    def pipeline(self, params):
        value = "$(params.p)" if any(each["name"] == "p" for each in params) else "z"
        spec = {"params": [{"name": "z"}], "results": [{"name": "s"}]}
        spec["steps"] = [{"name": "s", "image": "i", "script": "run '$(params.z)'"}]
        inner = {"name": "inner", "params": [{"name": "z", "value": value}], "taskSpec": spec}
        declared = [{"name": each["name"], "type": "array" if each["name"] == "q" else "string"} for each in params]
        return {"params": declared, "tasks": [inner], "results": [{"name": "s", "value": "$(tasks.inner.results.s)"}]}

    def params(self):
        if self.chance(self.values) and (text := self.text()):
            yield {"name": "p", "value": f"<{text}>"}
        if self.chance(0.6 * self.values) and (array := self.array()):
            yield {"name": "q", "value": array}

    def guards(self):
        if self.chance(0.5 * self.values) and (text := self.text()):
            yield {"input": text, "operator": self.random.choice(("in", "notin")), "values": ["yes", "no"]}
        if self.chance(0.1):
            yield {"input": "a", "operator": "in", "values": [self.random.choice("ab")]}
        if self.chance(0.2 * self.values) and (array := self.array()):
            yield {"input": "e1", "operator": "in", "values": [array]}

    def text(self):
        sources = [each for each in self.made if each[1] != "matrix"]
        if not sources:
            return ""
        name, kind = self.random.choice(sources)
        results = ("results.s", "results['s']", "results.l[1]", "results.o.k")
        return f"$(tasks.{name}.{'results.s' if kind == 'pipeline' else self.random.choice(results)})"

    def array(self):
        sources = [each for each in self.made if each[1] != "pipeline"]
        if not sources:
            return ""
        name, kind = self.random.choice(sources)
        return f"$(tasks.{name}.results.{'s' if kind == 'matrix' else 'l'}[*])"


def behave(seed):
    """Return a behaviour of Steps that depends only on the container, and on the number of its request."""

    def behave(command):
        random = Random(f"{seed}/{command.container}")
        values = {
            "s": random.choice(TEXTS),
            "l": json.dumps([f"e{number}" for number in range(random.randint(2, 4))]),
            "o": json.dumps({"k": random.choice(TEXTS)}),
        }
        fails = command.request == 1 and random.random() < 0.15
        files = {f"/tekton/results/{name}": text for name, text in values.items()}
        return Behaviour(1.0 + random.random(), int(fails), files)

    return behave


def ran(plan, seed):
    """Return how a Plan ran: whether it succeeded, its requests, its skipped Tasks, and what it hands over."""
    simulation = simulate(plan, behave(seed))
    engine = Engine(plan)
    for event in simulation.events:
        engine.handle(event)
    requests = {}
    for _, command in simulation.requests():
        requests.setdefault(command.container, []).append(command)
    succeeded = simulation.condition["status"] == "True"
    word = hand_over(engine.run, plan.hands_over, 10**6) if succeeded and plan.hands_over else ""
    return succeeded, requests, simulation.skipped(), word


def ran_in_groups(workflow, seed):
    """Run the groups of a Workflow in their order; return the requests and the skipped Tasks of all."""
    templates = {each["name"]: each for each in workflow["spec"]["templates"]}
    words, requests, skipped = {}, {}, {}
    for node in templates[workflow["spec"]["entrypoint"]]["dag"]["tasks"]:
        taken_over = [each["name"] for each in node.get("arguments", {}).get("parameters", ())]
        assert set(taken_over) <= set(node.get("dependencies", ())) <= words.keys()
        plan = plan_of(json.loads(templates[node["template"]]["resource"]["manifest"]))
        own = {task.name for task in plan.pipeline.tasks if task.left_out is None}
        succeeded, of_group, not_run, words[node["name"]] = ran(
            take_over(plan, [words[name] for name in taken_over]), seed
        )
        assert succeeded
        requests |= of_group
        skipped |= {name: reason for name, reason in not_run.items() if name.partition("/")[0] in own}
    return len(words), requests, skipped


def ran_in_jobs(job_set, seed):
    """Run the groups of a JobSet in their order, which hand over nothing."""
    requests, skipped = {}, {}
    jobs = job_set["spec"]["replicatedJobs"]
    for job in jobs:
        plan = plan_of(job["template"]["spec"]["template"])
        own = {task.name for task in plan.pipeline.tasks if task.left_out is None}
        succeeded, of_group, not_run, _ = ran(plan, seed)
        assert succeeded
        requests |= of_group
        skipped |= {name: reason for name, reason in not_run.items() if name.partition("/")[0] in own}
    return len(jobs), requests, skipped


def compiled_in_groups(file, kind, refusals):
    """Return the workload, or None if it is refused with one of these messages."""
    try:
        return compile_groups(load([str(file)]), OPTIONS, kind).workload
    except Problems as error:
        if not any(each in str(error.problems[0]) for each in refusals):
            raise
        return None


CIRCLE = "would have to wait for itself"


@pytest.mark.parametrize("first", range(0, 150, 50))
@pytest.mark.parametrize(
    ("kind", "values", "run_groups", "refusals"),
    [
        ("Workflow", 0.5, ran_in_groups, [CIRCLE]),
        ("JobSet", 0.1, ran_in_jobs, [CIRCLE, "hands no Results over", "may be skipped because of"]),
    ],
)
def test_groups_run_as_one_pod(tmp_path, first, kind, values, run_groups, refusals):
    compared = 0
    for seed in range(first, first + 50):
        file = tmp_path / f"{seed}.json"
        file.write_text(json.dumps(Generator(seed, values).run()))
        (whole,) = compile_runs(load([str(file)]), OPTIONS)
        groups = compiled_in_groups(file, kind, refusals)
        if groups is None:
            continue
        succeeded, requests, skipped, _ = ran(whole.plan, seed)
        if succeeded:  # otherwise no group starts after the one that failed
            count, *alike = run_groups(groups, seed)
            assert alike == [requests, skipped], seed
            compared += count > 1
    assert compared > 10
