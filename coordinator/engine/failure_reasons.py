"""Why a TaskRun failed: the reason and the message of Tekton's condition. Pure.

Source: Tekton docs/taskruns.md, the table of reasons, and pkg/pod/status.go, which decides in this order of precedence
(a Sidecar that crashed is more likely the cause than the Step that failed because of it):

1. ``SidecarOOM``, 2. ``StepOOM``, 3. ``SidecarFailed``, 4. ``StepFailed``.

A TaskRun fails if a Step failed, or if all Sidecars ended on their own and one of them failed: then the phase of
Tekton's Pod is Failed. While another Sidecar is still running, it is not.

Left to others: how a container ended (``attempts``).
"""

from __future__ import annotations

from collections.abc import Iterable

from monopod.coordinator.engine.events import Exit
from monopod.coordinator.engine.run_state import AttemptState, Outcome, StepState
from monopod.schemas.formats import exit_codes
from monopod.schemas.formats.words import describe_exit_code
from monopod.schemas.run_document import KILLED_MESSAGE

KILLED = Exit(signal=9, error=KILLED_MESSAGE)
"""How a program ended whose container is gone."""

WAS_KILLED = "was killed"
WITHOUT_RESTART_RULES = " and has no restart rules, which need Kubernetes 1.35 (--kube-version 1.35)"

_OF_CONTAINERS = frozenset({"StepFailed", "StepOOM", "SidecarFailed", "SidecarOOM"})


def exit_code_of(how: Exit) -> int:
    """Return the exit code as Kubernetes reports it: 128 plus the number of the signal that ended the program."""
    return how.code if how.code is not None else exit_codes.of_signal(how.signal or 0)


def reason_of(how: Exit) -> str:
    """Return Kubernetes' reason for the end of a container."""
    return "OOMKilled" if how.out_of_memory else "Error" if exit_code_of(how) else "Completed"


def describe_probe_failure(how: Exit, output: str) -> str:
    """Return why a readiness probe failed that ended so and wrote `output`; empty if it succeeded."""
    if how.code == 0:
        return ""
    return ": ".join(filter(None, (how.error or describe_exit_code(exit_code_of(how)), output)))


def step_failure(step: StepState) -> Outcome:
    """Return the outcome of a Task in which a Step failed."""
    if step.timed_out:
        text = f'"step-{step.plan.name}" exited because the step exceeded the specified timeout limit'
        return Outcome("Failed", "StepFailed", text)
    return _failure("step", step.plan.name, step.exit_code, out_of_memory=step.out_of_memory)


def with_own_reason(outcome: Outcome, step: StepState) -> Outcome:
    """Return the outcome of a Task in which a Step failed, with the reason that the Step has written, if any."""
    reason = step.results.get(step.plan.reason_result)
    return outcome._replace(message=reason) if isinstance(reason, str) and reason else outcome


def failed_before_start() -> str:
    """Return the message of a Step that was held before its start, and failed on request (debug-beforestep-fail-…)."""
    return "failed on request at the breakpoint before it"


def describe_continued(step: StepState) -> str:
    """Return the message of a Step that failed, was held, and counts as having succeeded on request."""
    ended = "ran out of memory" if step.out_of_memory else describe_exit_code(step.exit_code)
    return f"{ended}, then continued on request at the breakpoint on failure"


def lost_step(container: str, why: str) -> Outcome:
    """Return the outcome of a Task that cannot continue because the container of a Step is lost."""
    return Outcome("Failed", "StepFailed", f'a Step cannot run: container "{container}" {why}')


def lost_sidecar(container: str, why: str) -> Outcome:
    """Return the outcome of a Task that cannot start because the container of a Sidecar is lost."""
    return Outcome("Failed", "SidecarFailed", f'a Sidecar cannot run: container "{container}" {why}')


def not_retried(outcome: Outcome, container: str, why: str) -> Outcome:
    """Return the outcome of a Task that has retries left but cannot use them because a container is lost."""
    hint = WITHOUT_RESTART_RULES if why == WAS_KILLED else ""
    return outcome._replace(message=f'{outcome.message}; not retried: container "{container}" {why}{hint}')


def invalid_results(problems: Iterable[str], *, too_large: bool = False) -> Outcome:
    """Return the outcome of a Task whose Results are not of the declared type, or too large."""
    reason = "TaskRunResultLargerThanAllowedLimit" if too_large else "TaskRunValidationFailed"
    return Outcome("Failed", reason, "; ".join(problems))


def outcome_of_pod(attempt: AttemptState, of_steps: Outcome) -> Outcome:
    """Return the outcome of a Task from that of its Steps and from how its Sidecars ended."""
    if not of_steps.succeeded and of_steps.reason not in _OF_CONTAINERS:
        return of_steps
    ends = [(each.plan.step.name, each.end) for each in attempt.sidecars if each.end is not None]
    if of_steps.succeeded and not (len(ends) == len(attempt.sidecars) and any(exit_code_of(how) for _, how in ends)):
        return of_steps
    for name, how in ends:
        if how.out_of_memory:
            return _failure("sidecar", name, exit_code_of(how), out_of_memory=True)
    for name, how in ends if of_steps.reason != "StepOOM" else ():
        if exit_code_of(how):
            return _failure("sidecar", name, exit_code_of(how), out_of_memory=False)
    return of_steps


def outcome_if_stopped(attempt: AttemptState, of_stop: Outcome) -> Outcome:
    """Return the outcome of an attempt that is cut off: that of its first failure if only closing Steps were left."""
    if attempt.closing and attempt.ending is not None:
        return outcome_of_pod(attempt, attempt.ending)
    return of_stop


def container_died(how: Exit) -> bool:
    """Whether a request ended because its container died (``KILLED``)."""
    return how.code is None and how.error != ""


def as_ignored(outcome: Outcome) -> Outcome:
    """Return the outcome of a Task with onError continue: only failures of its containers are ignored."""
    return outcome._replace(reason="FailureIgnored") if outcome.reason in _OF_CONTAINERS else outcome


def _failure(kind: str, name: str, code: int, *, out_of_memory: bool) -> Outcome:
    whose = kind.capitalize()
    if not out_of_memory:
        return Outcome("Failed", f"{whose}Failed", f'"{kind}-{name}" exited with code {code}: Error')
    message = f'"{kind}-{name}" exited with code {code}: OOMKilled' if code else "OOMKilled"
    return Outcome("Failed", f"{whose}OOM", message)
