"""Starts Pods without following them, and follows a running Pod."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monopod.runner.backend import CancelRequests
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.display.background_output import background_output
from monopod.runner.display.problem_report import print_problems, warnings_of
from monopod.runner.exit_codes import CANCELLED, SUCCEEDED, WRONG_INPUT
from monopod.runner.files.progress_line import ProgressLine
from monopod.runner.follow.pod_events import Event, PodActivity, PodFinished, PodNotice, PodWarning
from monopod.runner.follow_pod import follow_pod, secret_masks
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.following import FollowedPod
from monopod.runner.kubernetes.pod import KubernetesPod, no_cancel_requests
from monopod.runner.kubernetes.pod_secrets import read_secrets
from monopod.runner.records.recorder import Recorder
from monopod.runner.records.repetition import read_repetition
from monopod.runner.records.store import (
    Origin,
    Record,
    RecordError,
    detached_record,
    is_recorded,
    own_project,
    replace,
)
from monopod.runner.reports.failures import memory_limits
from monopod.runner.run_options import Options
from monopod.runner.run_pods import write_documents
from monopod.runner.signals import ENDING, interrupt, raising_interrupt, signal_pipe
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from pathlib import Path

    from monopod.compiler.compilation import Compilation
    from monopod.runner.display.summary import Outcome
    from monopod.runner.kubernetes.backend import KubernetesBackend


def start_pods(compilations: Sequence[Compilation], backend: KubernetesBackend, options: Options) -> int:
    """Create the Pod of each run, print its name, and record where it is; return the exit code."""
    print_problems(warnings_of(compilations), sys.stderr)
    for number, compilation in enumerate(compilations):
        with contextlib.ExitStack() as stack:
            pod = stack.enter_context(backend.pod(compilation, keep=True))
            try:
                _create(pod)
            except (PodRefusedError, BackendUnavailableError) as error:
                print(visible_lines(f"monopod run: {error}"), file=sys.stderr)
                return WRONG_INPUT
            for problem in pod.problems:
                print(visible_lines(f"warning: {problem}"), file=sys.stderr)
            _record_start(pod, compilation, backend, options, number)
            if options.output == "name":
                print(f"{compilation.plan.document['kind'].lower()}.tekton.dev/{pod.name.name}", flush=True)
            else:
                print(
                    f"Pod {pod.name.name} runs in namespace {pod.name.namespace}; follow it with: "
                    f"{backend.cluster.command('attach', pod.name)}",
                    flush=True,
                )
    return SUCCEEDED


def _record_start(
    pod: KubernetesPod, compilation: Compilation, backend: KubernetesBackend, options: Options, number: int
) -> None:
    """Record that a run was started, so that other commands find it without options."""
    if options.records is None:
        return
    recorder = Recorder(
        options.records,
        compilation.plan,
        compilation.pod,
        backend=backend.name,
        files=options.files,
        origin=Origin(own_project(), backend.context),
        repeated_by=options.repetitions[number] if options.repetitions else None,
        is_detached=True,
    )
    name = pod.name
    recorder.keep(pod.kept_volumes)
    recorder.begin(name.name, name.namespace, pod.metadata["uid"])
    recorder.close()
    if recorder.problem:
        print(visible_lines(f"warning: cannot record this run: {recorder.problem}"), file=sys.stderr)


def _create(pod: KubernetesPod) -> None:
    """Create a Pod, and copy folders to it. Raises PodRefusedError, BackendUnavailableError."""
    created = pod.create()
    if not pod.has_folders:
        return
    followed = pod.follow(created, reads=lambda _: False)
    with raising_interrupt(*ENDING), ProgressLine(sys.stderr) as line:
        try:
            while followed.waits_for_folders:
                for event in followed.events(None):
                    _show(event, line)
        except (KeyboardInterrupt, BackendUnavailableError):
            pod.discard()
            raise


def _show(event: Event, line: ProgressLine) -> None:
    """Show what happens while folders are copied. Raises BackendUnavailableError if that has failed."""
    match event:
        case PodActivity(text):
            line.show(text)
        case PodNotice(text):
            line.clear()
            print(visible_lines(text), file=sys.stderr)
        case PodWarning(text):
            line.clear()
            print(visible_lines(f"warning: {text}"), file=sys.stderr)
        case PodFinished(status):
            raise BackendUnavailableError(f"the run did not start: {status.get('message') or status.get('phase')}")


class AttachedPod:
    """A Pod that another command created, and that this command leaves as it is. It is a `Pod`."""

    kept = ""

    def __init__(self, existing: ExistingPod) -> None:
        self._existing = existing
        self._followed: FollowedPod | None = None

    def __enter__(self) -> AttachedPod:
        return self

    def __exit__(self, *_: object) -> None:
        if self._followed is not None:
            self._followed.close()

    def start(self) -> FollowedPod:
        """Start to follow it."""
        self._followed = FollowedPod(self._existing.cluster, self._existing.plan, self._existing.pod)
        return self._followed

    def take_outcome(self, outcome: Outcome, *, is_reported: bool) -> None:
        """Do nothing: the Pod stays."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod."""
        metadata: Mapping[str, Any] = self._existing.pod["metadata"]
        return metadata

    def cluster_secrets(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the Secrets that the Pod refers to, and why others cannot be read."""
        return read_secrets(self._existing.cluster, self._existing.pod)

    def logs_command(self, task: str, step: str, container: str) -> str:  # noqa: ARG002
        """Return the command that prints the log of a Step."""
        return self._existing.cluster.command("logs", self._existing.name, f"{task}/{step}")

    def cancel_requests(self) -> contextlib.AbstractContextManager[CancelRequests]:
        """Receive none: `monopod cancel POD` sends its request to the coordinator."""
        return no_cancel_requests()


def attach(existing: ExistingPod, options: Options) -> int:
    """Follow a Pod from its start to its end; return the same exit code as `monopod run`.

    The run is recorded if it is followed to its end and was not recorded before. Ctrl-C, or the exit of the program
    that reads the output, only detaches. Raises NoSuchPodError if its coordinator logs text instead of events.
    """
    if not existing.reports_events:
        raise NoSuchPodError(
            f"cannot attach to {existing.name}: its coordinator logs text only, because `monopod compile` made it, not "
            f"`monopod run`; read its log with: {existing.cluster.command('logs', existing.name, '-f')}"
        )
    uid = existing.pod["metadata"]["uid"]
    earlier = None if options.records is None else detached_record(options.records, uid)
    recorder = _recorder(existing, options.records, earlier)
    ended = None
    with background_output() as output:
        try:
            with (
                signal_pipe(signal.SIGWINCH) as signals,  # the signals that cancel a run are not caught here
                output.on_loss(interrupt),
                AttachedPod(existing) as pod,
            ):
                limits = memory_limits(existing.pod)
                ended = follow_pod(
                    pod,
                    pod.start(),
                    existing.plan,
                    options,
                    signals.reader,
                    masks=secret_masks(pod),
                    limits=limits,
                    recorder=recorder,
                )
        except KeyboardInterrupt:
            output.hurry()
            cancel = existing.cluster.command("cancel", existing.name)
            print(f"Detached; the run continues. To cancel it: {cancel}", file=sys.stderr)
            return CANCELLED
        finally:
            if recorder is not None and (ended is None or not ended.is_reported):
                recorder.discard()  # the outcome is unknown
            elif recorder is not None and earlier is not None and recorder.directory is not None:
                with contextlib.suppress(OSError):  # then both records stay
                    replace(earlier, recorder.directory)
        write_documents([ended.document] if ended.document is not None else [], 1, options.output)
    return ended.exit_code


def _recorder(existing: ExistingPod, records: Path | None, earlier: Record | None) -> Recorder | None:
    """Return what records the run; `earlier` is the record of its start, which says how to repeat it."""
    if records is None or is_recorded(records, existing.pod["metadata"]["uid"]):
        return None
    project = own_project() if earlier is None else earlier.header.project
    repeated_by = None
    if earlier is not None:
        with contextlib.suppress(RecordError):
            repeated_by = read_repetition(earlier.directory)
    return Recorder(
        records,
        existing.plan,
        existing.pod,
        backend="kubernetes",
        files=() if earlier is None else earlier.header.files,
        origin=Origin(project, existing.cluster.context),
        repeated_by=repeated_by,
    )
