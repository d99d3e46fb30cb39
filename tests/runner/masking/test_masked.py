"""Events and documents without secrets: what is masked in them, and what stays."""

from typing import get_args

from monopod.runner.masking.masked import masked_document, masked_event
from monopod.runner.masking.masks import Masks
from monopod.schemas import run_events

MASKS = Masks()
MASKS.add("hunter2-x")


def test_names_stay_and_values_are_masked():
    document = {
        "kind": "PipelineRun",
        "metadata": {"name": "hunter2-x", "annotations": {"note": "hunter2-x"}},
        "spec": {"params": [{"name": "hunter2-x", "value": {"name": "hunter2-x", "other": ["hunter2-x", 1]}}]},
        "status": {
            "conditions": [{"type": "Succeeded", "reason": "hunter2-x", "message": "no hunter2-x"}],
            "results": [{"name": "out", "value": "is hunter2-x"}],
        },
    }
    assert masked_document(document, MASKS) == {
        "kind": "PipelineRun",
        "metadata": {"name": "hunter2-x", "annotations": {"note": "***"}},
        "spec": {"params": [{"name": "hunter2-x", "value": {"name": "***", "other": ["***", 1]}}]},
        "status": {
            "conditions": [{"type": "Succeeded", "reason": "hunter2-x", "message": "no ***"}],
            "results": [{"name": "out", "value": "is ***"}],
        },
    }


def test_events_are_masked():
    combination = run_events.MatrixExpanded(0, "hunter2-x", ["go=hunter2-x", "go=hunter…"])
    assert masked_event(combination, MASKS) == combination._replace(names=["go=***", "go=***…"])
    started = run_events.TaskStarted(0, "hunter2-x", 0, 0, "hunter2-x", {"name": "hunter2-x"})
    assert masked_event(started, MASKS) == started._replace(params={"name": "***"})
    results = [{"name": "hunter2-x", "value": "hunter2-x"}]
    finished = run_events.TaskFinished(0, "t", None, 0, "Failed", "Error", "hunter2-x", results=results)
    assert masked_event(finished, MASKS) == finished._replace(
        message="***", results=[{"name": "hunter2-x", "value": "***"}]
    )
    for event in (
        run_events.StepHeld(0, "t", None, 0, "s", "c", True, 1, "hunter2-x"),
        run_events.TaskSkipped(0, "t", "reason", "hunter2-x"),
        run_events.RunWarning(0, "hunter2-x"),
        run_events.StepFinished(0, "t", None, 0, "hunter2-x", "c", 1, "Error", "hunter2-x", 0, 0, 0, 0),
    ):
        assert masked_event(event, MASKS) == event._replace(message="***")
    ended = run_events.RunFinished(0, "Failed", "Failed", "hunter2-x", {"status": {"message": "hunter2-x"}})
    assert masked_event(ended, MASKS) == ended._replace(message="***", document={"status": {"message": "***"}})


def test_values_with_colours_in_them_are_masked():
    """The colours are removed where a Result is shown."""
    coloured = "red \x1b[31mhunter\x1b[m2-x\nred \x1b[31mblue\x1b[m"
    results = [{"name": "r", "value": coloured}]
    finished = run_events.TaskFinished(0, "t", None, 0, "Failed", "Error", coloured, results=results)
    masked = "red ***\nred \x1b[31mblue\x1b[m"
    assert masked_event(finished, MASKS) == finished._replace(message=masked, results=[{"name": "r", "value": masked}])


def test_every_event_with_a_message_is_masked():
    tested = {"StepHeld", "TaskSkipped", "RunWarning", "StepFinished", "RunFinished", "TaskFinished"}
    tested.add("SidecarFinished")  # the same case as StepFinished
    kinds = get_args(run_events.RunEvent)
    assert {kind.__name__ for kind in kinds if "message" in kind._fields} == tested
