"""How much work a further Task is: the number of calls of functions, which is the same on every machine.

A function that walks all Tasks once more, or looks again at what another one has seen, shows up here.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType

from monopod.compiler.compilation import compile_runs
from monopod.compiler.documents.documents import read
from monopod.compiler.options import Options

MOST_CALLS = 1450
"""For a Task with a param, a Result, a Workspace and a Step: it was 2,030 while texts were searched again."""
TASK = """\
  - name: task-{0}
    runAfter: [{1}]
    params: [{{name: source, value: "$(params.revision)"}}]
    workspaces: [{{name: shared}}]
    taskSpec:
      params: [{{name: source}}]
      workspaces: [{{name: shared}}]
      results: [{{name: digest}}]
      steps:
      - name: make
        image: busybox:stable
        env: [{{name: SOURCE, value: "$(params.source)"}}]
        workingDir: $(workspaces.shared.path)
        computeResources: {{requests: {{cpu: 100m, memory: 64Mi}}}}
        script: echo "$SOURCE" > $(results.digest.path)
"""
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: many}
spec:
  params: [{name: revision, default: main}]
  workspaces: [{name: shared}]
  tasks:
"""


def calls_of(count: int) -> Counter[str]:
    """Return how often each function of the compiler is called for a Pipeline of `count` Tasks."""
    tasks = (TASK.format(number, f"task-{number - 1}" if number else "") for number in range(count))
    text = PIPELINE + "".join(tasks)
    calls: Counter[str] = Counter()

    def count_call(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (module := frame.f_globals.get("__name__", "")).startswith("monopod."):
            calls[f"{module}.{frame.f_code.co_qualname}"] += 1

    sys.setprofile(count_call)
    try:
        compile_runs(read(text.encode(), "many.yaml"), Options())
    finally:
        sys.setprofile(None)
    return calls


def test_a_further_task_is_not_more_work_than_it_was() -> None:
    calls_of(1)  # imports what is imported when it is used
    few, many = calls_of(20), calls_of(40)
    per_task = Counter({name: (many[name] - few[name]) / 20 for name in many})
    assert sum(per_task.values()) <= MOST_CALLS, per_task.most_common(30)
