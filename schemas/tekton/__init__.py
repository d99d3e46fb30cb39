"""Tekton's API, ``tekton.dev/v1``: Pipelines, Tasks, their runs and StepActions.

Every field of the API is here, alpha and beta ones too, whether monopod can run it or not: refusing a field, with the
reason, is left to the compiler. Each model checks what can be checked within one object (Tekton's own validation,
pkg/apis/pipeline/v1/*_validation.go). Checks that need more than one object, a graph, or the ``$(...)`` references in a
text are left to the compiler too.

No module here has ``from __future__ import annotations``: pydantic would take 30 ms to evaluate the annotations.
"""
