"""The request that runs a Step or Sidecar: its command with all references replaced. Pure."""

from __future__ import annotations

from typing import NamedTuple

from monopod.coordinator.engine.events import RunStep
from monopod.coordinator.engine.step_files import artifact_paths, step_results_directory
from monopod.schemas.plan import ImageProgram, Step
from monopod.schemas.variables import EvaluationError, Scope, substitute, substitute_all

DEFAULT_SHEBANG = "#!/bin/sh\nset -e\n"
"""What Tekton adds to a script without a shebang line (docs/tasks.md, "Running scripts within Steps")."""


class RequestPlace(NamedTuple):
    """Where a request runs: in a container of a slot, under a number."""

    slot: str
    container: str
    request: int


def request_of(
    place: RequestPlace, step: Step, scope: Scope, program: ImageProgram | None, *, is_sidecar: bool
) -> RunStep:
    """Return the command that runs a Step, all its references replaced. Raises EvaluationError.

    `program` is what its image says to run, if that is to run. The entrypoint expands `$(NAME)` from the environment in
    what the author wrote, but not in the values put in here, nor in what an image says.
    """
    arguments = substitute_all(step.args, scope, _unexpanded)
    script_name = script = None
    if step.script is not None:
        script_name = f"{place.container}-{place.request}"
        script = substitute(step.script, scope)
        if not script.startswith("#!"):
            script = DEFAULT_SHEBANG + script
        arguments = (f"/tekton/scripts/{script_name}", *arguments)
    elif program is not None:
        arguments = _of_image(program, arguments, is_sidecar=is_sidecar)
    else:
        arguments = (*substitute_all(step.command, scope, _unexpanded), *arguments)
    if not arguments:
        raise EvaluationError("there is nothing to run: command is empty")
    directories = [step_results_directory(step)] if step.results else []
    directories += [path.rpartition("/")[0] for path in artifact_paths(step)]
    return RunStep(
        *place,
        arguments=arguments,
        environment=tuple((name, substitute(text, scope, _unexpanded)) for name, text in step.environment),
        working_directory=_optional(step.working_directory, scope),
        stdout_path=_optional(step.stdout_path, scope),
        stderr_path=_optional(step.stderr_path, scope),
        script_name=script_name,
        script=script,
        directories=tuple(directories),
    )


def _of_image(program: ImageProgram, arguments: tuple[str, ...], *, is_sidecar: bool) -> tuple[str, ...]:
    """Return the program that only the image names: the arguments replace its CMD.

    In a Step, as Tekton has it, a CMD without an ENTRYPOINT stays, and the arguments come after it
    (pkg/pod/entrypoint_lookup_impl.go); a Sidecar is an ordinary container.
    """
    entrypoint, cmd = (tuple(map(_unexpanded, words)) for words in (program.entrypoint, program.cmd))
    if not entrypoint and not is_sidecar:
        return (*cmd, *arguments)
    return (*entrypoint, *(arguments or cmd))


def _unexpanded(value: str) -> str:
    return value.replace("$", "$$")


def _optional(text: str | None, scope: Scope) -> str | None:
    """Return a path, None if there is none. Empty, as of an optional Workspace that is not bound, means none too."""
    return None if text is None else substitute(text, scope) or None
