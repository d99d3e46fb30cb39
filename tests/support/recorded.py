"""Records of imaginary runs, made by the recorder from events and lines."""

from pathlib import Path

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import Follower
from monopod.runner.records.recorded_run import read_run
from monopod.runner.records.recorder import Recorder
from monopod.runner.records.store import Origin, open_record, own_project
from monopod.schemas.plan import encode


def recorder_of(root, plan, name="ci-x7k2p", backend="host", files=(), project=None):
    """Return a recorder for a minimal Pod that runs this Plan."""
    coordinator = {"name": COORDINATOR, "args": ["--", *encode(plan)]}
    pod = {"metadata": {"name": name}, "spec": {"containers": [coordinator]}}
    return Recorder(Path(root), plan, pod, backend=backend, files=files, origin=Origin(project or own_project()))


def feed_recorder(recorder, plan, feed, limits=None):
    """Feed a recorder with a Follower's output for events and (container, bytes)."""
    follower = Follower(plan, limits)
    for item in feed:
        for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
            recorder.take(shown)
    return follower


def record_run(root, plan, feed, *, files=("ci.yaml",), ended=True, limits=None, project=None):
    """Record a run with the outcome of its last event; return the record."""
    recorder = recorder_of(root, plan, files=files, project=project)
    finished = feed_recorder(recorder, plan, feed, limits).finished
    if ended and finished is not None:
        recorder.end(Outcome(finished.status, finished.reason, finished.message), finished.at)
    recorder.close()
    return open_record(recorder.directory)


def recorded_run(root, plan, feed, **options):
    """Record a run and read the record back."""
    return read_run(record_run(root, plan, feed, **options))
