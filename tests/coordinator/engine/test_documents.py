"""The finished document always has the form of a finished run in Tekton's API."""

import pytest
import tekton_documents
from observed import run
from random_pipelines import random_case
from simulation import Behaviour, cancel, plan_of, simulate, task

from monopod.schemas.plan import Probe, ResultDeclaration, Sidecar, Step


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_documents_of_random_pipelines(first: int):
    for seed in range(first, first + 50):
        assert tekton_documents.problems(run(random_case(seed)).document) == [], seed


@pytest.mark.parametrize("extra", [[], [cancel(0.5)], [cancel(0)]])
@pytest.mark.parametrize("code", [0, 1])
def test_document_of_a_task_run(code, extra):
    sidecars = (Sidecar(Step("db", command=("x",)), Probe(tcp_port=1)),)
    results = (ResultDeclaration("r"), ResultDeclaration("o", "object", ("key",)))
    plan = plan_of(task("a", sidecars=sidecars, results=results, retries=1), kind="TaskRun")
    files = {"/tekton/results/r": "v", "/tekton/results/o": '{"other": "x"}'}
    document = simulate(plan, lambda r: Behaviour(1e6 if "db" in r.container else 1, code, files), extra=extra).document
    assert tekton_documents.problems(document) == []
    assert "childReferences" not in document["status"]


def test_fields_unknown_to_tekton_are_problems():
    document = run(random_case(0)).document
    document["status"]["conditions"][0]["reason"] = "not one word"
    document["status"]["extra"] = 1
    del document["status"]["startTime"]
    assert len(tekton_documents.problems(document)) == 3


class TestSidecars:
    def states(self, end):
        sidecars = tuple(Sidecar(Step(name, command=("x",)), Probe(tcp_port=1)) for name in ("db", "web"))
        plan = plan_of(task("a", sidecars=sidecars))
        run = simulate(plan, lambda r: end if "db" in r.container else Behaviour(1e6 if "web" in r.container else 1))
        return {each["name"]: each for each in run.status["taskRuns"]["run-a"]["status"]["sidecars"]}

    def test_sidecar_stopped_with_its_task_has_completed(self):
        states = self.states(Behaviour(1e6))
        assert states["web"]["container"] == "a-web"
        assert (states["web"]["terminated"]["exitCode"], states["web"]["terminated"]["reason"]) == (0, "Completed")

    @pytest.mark.parametrize(
        ("end", "exit_code", "reason"),
        [
            (Behaviour(0.7, 7), 7, "Error"),
            (Behaviour(0.7), 0, "Completed"),
            (Behaviour(0.7, 137, out_of_memory=True), 137, "OOMKilled"),
        ],
    )
    def test_sidecar_that_ends_by_itself_has_its_own_end(self, end, exit_code, reason):
        terminated = self.states(end)["db"]["terminated"]
        assert (terminated["exitCode"], terminated["reason"]) == (exit_code, reason)

    def test_sidecar_that_never_started_is_waiting(self):
        sidecars = (Sidecar(Step("db", command=("x",))),)
        run = simulate(plan_of(task("a", sidecars=sidecars)), ready=lambda name: None if "db" in name else 0)
        (state,) = run.status["taskRuns"]["run-a"]["status"]["sidecars"]
        assert state["waiting"] == {"reason": "PodInitializing"}
