"""Compiling a recorded run again.

The run is compiled twice: whole, to see which Tasks have changed, and then with the Tasks that run again. If what they
need was kept by `--keep`, the Workspaces are bound to it. The files are read once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import Documents
from monopod.compiler.options import Options
from monopod.runner.commands.options.input import compiler_options, load_documents
from monopod.runner.commands.options.secrets import with_given_secrets
from monopod.runner.garbage_collection import without_garbage_collection
from monopod.runner.records.unrecorded_secrets import keys_without_value
from monopod.runner.repeating.compiled import Compiled
from monopod.runner.repeating.reuse import Repeated, kept_workspaces, lost_problems, lost_volumes, selection_of
from monopod.schemas.kubernetes.objects import Secret


@without_garbage_collection()
def compile_again(
    arguments: argparse.Namespace, repeated: Repeated, further: Callable[[], Mapping[str, Any]], **others: Any
) -> Compiled:
    """Compile the Tasks of a recorded run that run again. Raises Problems, also if files that they need are gone.

    `others` and `further` are as for `compile_documents`.
    """
    documents = with_given_secrets(load_documents(arguments), arguments, local=others.get("local", False))
    unrecorded = list(_unrecorded(documents)) if arguments.recorded else []
    if unrecorded:
        raise Problems(unrecorded)
    options = compiler_options(arguments, **others, **further())
    whole = _compile(documents, options, repeated)
    options = replace(options, selection=selection_of(repeated, whole))
    part = _compile(documents, options, repeated)
    lost = lost_volumes(whole, part)
    kept = kept_workspaces(repeated, lost)
    problems = list(lost_problems(repeated, {name: lost[name] for name in lost if lost[name] not in kept}))
    if problems:
        raise Problems(problems)
    if kept:
        options = replace(options, workspaces=(*options.workspaces, *kept.items()))
        part = _compile(documents, options, repeated)
    return Compiled((part,), whole, repeated.index)


def _unrecorded(documents: Documents) -> Iterator[Problem]:
    """Yield an error for each Secret whose values the record does not have, because no record has them."""
    for document, _ in documents.of(Secret):
        if keys := keys_without_value(document.data):
            message = (
                f"the values of Secret '{document.name}' ({', '.join(keys)}) are not recorded, and the file that has "
                f"them is gone; bring it back, or give them with --secret {document.name}/KEY=env:VARIABLE"
            )
            yield document.problem((), message, "missing-object")


def _compile(documents: Documents, options: Options, repeated: Repeated) -> Compilation:
    compilations = compile_runs(documents, options)
    if repeated.index >= len(compilations):
        message = f"the files no longer define the run of {repeated.name}; use monopod run"
        raise Problems([Problem(None, message, "nothing-to-run")])
    return compilations[repeated.index]
