"""Results of Steps that are written to their files by path, and not declared.

Rules (Tekton pkg/entrypoint: the value of ``$(steps.a.results.r)`` is the content of the file, declared or not):

- A path in a text of the Step that the Task refers to elsewhere is a Result of type string.
- A name that appears in no text of the Step is a slip, and remains an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from monopod.compiler.scope.texts import paths_in, texts
from monopod.schemas.tekton.params import StepResult
from monopod.schemas.tekton.tasks import TaskSpec

_FILE = re.compile(r"/tekton/steps/step-([a-z0-9-]+)/results/([A-Za-z0-9](?:[\w.-]*\w)?)", re.ASCII)


def undeclared_results(
    step: str, fields: Mapping[str, Any], declared: Collection[StepResult], spec: TaskSpec
) -> tuple[StepResult, ...]:
    """Return the Results that a Step with these fields writes, does not declare, and its Task refers to."""
    files = (match for text in texts(fields) if "/tekton/steps/" in text for match in _FILE.finditer(text))
    names = {match[2] for match in files if match[1] == step} - {result.name for result in declared}
    if not names:
        return ()
    referred_to = {path[3] for path in paths_in(spec) if path[:3] == ("steps", step, "results") and path[3:]}
    return tuple(StepResult(name=name) for name in sorted(names & referred_to))
