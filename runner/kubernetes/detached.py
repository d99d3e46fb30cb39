"""Pods that are started and left to themselves, and following one of them later."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monopod.runner.backend import CancelRequests
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.display.background_output import background_output
from monopod.runner.display.problem_report import print_problems, warnings_of
from monopod.runner.exit_codes import CANCELLED, SUCCEEDED, WRONG_INPUT
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.following import FollowedPod
from monopod.runner.kubernetes.pod import no_cancel_requests
from monopod.runner.records.recorder import Recorder
from monopod.runner.records.store import is_recorded
from monopod.runner.reports.failures import memory_limits
from monopod.runner.run_pods import Options, Output, follow_pod, write_documents
from monopod.runner.signals import interrupt, signal_pipe
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from pathlib import Path

    from monopod.compiler.compilation import Compilation
    from monopod.runner.kubernetes.backend import KubernetesBackend


def start_pods(compilations: Sequence[Compilation], backend: KubernetesBackend, output: Output) -> int:
    """Create the Pod of each run and say what it is called; return the exit code."""
    print_problems(warnings_of(compilations), sys.stderr)
    for compilation in compilations:
        with contextlib.ExitStack() as stack:
            pod = stack.enter_context(contextlib.closing(backend.pod(compilation, keep=True)))
            try:
                pod.create()
            except (PodRefusedError, BackendUnavailableError) as error:
                print(visible_lines(f"monopod run: {error}"), file=sys.stderr)
                return WRONG_INPUT
            for problem in pod.problems:
                print(visible_lines(f"warning: {problem}"), file=sys.stderr)
            if output == "name":
                print(f"{compilation.plan.document['kind'].lower()}.tekton.dev/{pod.name.name}", flush=True)
            else:
                print(
                    f"Pod {pod.name.name} runs in namespace {pod.name.namespace}; follow it with: "
                    f"{pod.command('attach')}",
                    flush=True,
                )
    return SUCCEEDED


class AttachedPod(FollowedPod):
    """A Pod that somebody else made. Leaving it leaves it as it is. It is a `StartablePod`."""

    kept = ""

    def __init__(self, existing: ExistingPod) -> None:
        super().__init__(existing.cluster, existing.plan)
        self._existing = existing

    def __enter__(self) -> AttachedPod:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to follow it."""
        self.follow(self._existing.pod)

    def logs_command(self, task: str, step: str, container: str) -> str:  # noqa: ARG002
        """Return the command that shows what a Step wrote."""
        return self.command("logs", f"{task}/{step}")

    def cancel_requests(self) -> contextlib.AbstractContextManager[CancelRequests]:
        """Listen to nobody: `monopod cancel POD` asks the coordinator itself."""
        return no_cancel_requests()


def attach(existing: ExistingPod, options: Options) -> int:
    """Follow a Pod from its beginning to its end; return the exit code as of `monopod run`.

    It is recorded if it is followed to its end, and was not recorded before. Ctrl-C, and a reader of the output who
    goes away, only leave it to itself. Raises NoSuchPodError if its coordinator tells a story instead of events.
    """
    if not existing.tells_events:
        raise NoSuchPodError(
            f"the coordinator of {existing.name} tells its story only to people (it was compiled, not started by "
            f"`monopod run`); read it with: {existing.cluster.command('logs', existing.name, '-f')}"
        )
    recorder = _recorder(existing, options.records)
    ended = None
    with background_output() as output:
        try:
            with (
                signal_pipe(signal.SIGWINCH) as signals,  # the signals that cancel a run are not caught here
                output.on_loss(interrupt),
                AttachedPod(existing) as pod,
            ):
                pod.start()
                limits = memory_limits(existing.pod)
                ended = follow_pod(pod, existing.plan, options, signals.reader, limits=limits, recorder=recorder)
        except KeyboardInterrupt:
            cancel = existing.cluster.command("cancel", existing.name)
            print(f"The run goes on; `{cancel}` cancels it.", file=sys.stderr)
            return CANCELLED
        finally:
            if recorder is not None and (ended is None or not ended.is_told):
                recorder.discard()  # nobody told the outcome
        write_documents([ended.document] if ended.document is not None else [], 1, options.output)
    return ended.exit_code


def _recorder(existing: ExistingPod, records: Path | None) -> Recorder | None:
    if records is None or is_recorded(records, existing.pod["metadata"]["uid"]):
        return None
    return Recorder(records, existing.plan, existing.pod, backend="kubernetes", files=())
