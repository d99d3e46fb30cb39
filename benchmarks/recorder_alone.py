"""Measures the recorder alone: the cost of recording lines of output, including all writes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from generated import chain_of_tasks
from measured_run import written

from monopod.compiler.compilation import compile_runs
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import OutputLines
from monopod.runner.records.recorder import Recorder
from monopod.schemas.run_events import RunStarted


def recorder_seconds(lines: int) -> float:
    """Return the processor time of recording this many lines of 60 characters."""
    with written(chain_of_tasks(1)) as file:
        (compilation,) = compile_runs(load([file]), Options())
    shown = OutputLines("task-0", "step-0", "x" * 60)
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as folder:
        recorder = Recorder(Path(folder), compilation.plan, compilation.pod, backend="host", files=(file,))
        recorder.take(RunStarted(time.time(), "bench", "default", ""))
        began = time.process_time()
        for number in range(lines):
            recorder.take(shown)
            if number % 100 == 0:
                recorder.refresh(time.time())
        recorder.end(Outcome("Succeeded", "Succeeded", ""), time.time())
        recorder.close()
        return time.process_time() - began
