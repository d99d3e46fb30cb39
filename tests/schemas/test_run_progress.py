"""The fold of a run's events: what it says of a run is what the coordinator says in the finished document."""

import pytest
from observed import run
from random_pipelines import random_case

from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import RunFinished
from monopod.schemas.run_progress import progress_of

ONLY_THE_COORDINATOR_KNOWS = {"results", "artifacts", "inputs", "outputs", "displayName", "whenExpressions", "sidecars"}
OF_PIPELINES = {"conditions", "startTime", "completionTime", "finallyStartTime"}
"""What no event says of a Pipeline, or of the run before its end."""


def in_events(status):
    """Return as much of a status as events say."""
    if isinstance(status, list):
        return [in_events(each) for each in status]
    if not isinstance(status, dict):
        return status
    left_out = ONLY_THE_COORDINATOR_KNOWS | (OF_PIPELINES if "childReferences" in status else set())
    if "exitCode" in status:
        left_out = {"reason"}  # may be OOMKilled though the event says TimedOut; `terminationReason` is compared
    return {name: in_events(value) for name, value in status.items() if name not in left_out}


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_fold_of_a_run_is_what_the_coordinator_knows_at_its_end(first):
    for seed in range(first, first + 100):
        case = random_case(seed)
        simulation = run(case)
        events = [event for event in simulation.told if not isinstance(event, RunFinished)]
        document = run_document(case.plan, progress_of(case.plan, events), {}, 0)
        assert document["metadata"] == simulation.document["metadata"]
        assert in_events(document["status"]) == in_events(simulation.document["status"]), seed
