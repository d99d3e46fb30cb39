"""`monopod run`: runs Pods one after another and reports how they ended.

Rules:

- Several runs run in order. If one fails, the next one still runs, because runs are independent. If one is cancelled or
  cannot be started, the remaining runs are not started.
- With the output ``human``, everything goes to standard output. Otherwise, standard output has only the requested data:
  the document of one run, or a List of several, as in kubectl.

``run`` follows a running Pod; ``backend`` is where it runs.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from monopod.compiler.compilation import Compilation
from monopod.runner.backend import Backend, FilesPod, Pod, RunningPod
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.commands.options.cluster import program_name
from monopod.runner.display.background_output import background_output
from monopod.runner.display.ci_log import write_json, write_yaml
from monopod.runner.display.display import make_display
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.printable import printable
from monopod.runner.display.problem_report import print_problems, warnings_of
from monopod.runner.display.summary import summarize
from monopod.runner.exit_codes import CANCELLED, FAILED, WRONG_INPUT
from monopod.runner.files.fetch import Fetch
from monopod.runner.files.fetching import FetchOutcome, fetch_all
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.follow.follower import Follower
from monopod.runner.masking.masked import masked_document
from monopod.runner.masking.masks import Masks
from monopod.runner.masking.secret_values import masks_of
from monopod.runner.records.recorder import Recorder, recording
from monopod.runner.records.repetition import Repetition
from monopod.runner.records.store import Origin, own_project
from monopod.runner.reports.failures import More, failure_context, images, memory_limits
from monopod.runner.run import Run
from monopod.runner.signals import ENDING, READER_GONE, caught, received, signal_pipe
from monopod.schemas.formats.visible_text import visible_lines
from monopod.schemas.plan import Plan
from monopod.schemas.run_progress import progress_of

Output: TypeAlias = Literal["human", "json", "yaml", "name"]


@dataclass(frozen=True, slots=True)
class Options:
    """The output format, whether to keep the files of a run, and where to record it.

    ``records`` is the directory of all records, None to record nothing; ``files`` are the arguments of the command.
    ``report`` receives the records of all runs at the end, and why runs could not be recorded. ``lines`` selects and
    formats the lines of a run. ``more`` returns a command that shows the output of a Step, if there is neither a record
    nor a log. ``fetches`` are the files that are fetched after each run. ``repetitions`` say how each run can be
    repeated, if records are kept.
    """

    output: Output
    keep: bool
    records: Path | None = None
    files: tuple[str, ...] = ()
    report: Callable[[Sequence[Path], Sequence[str]], None] = lambda *_: None
    lines: LineOptions = field(default_factory=LineOptions)
    more: More | None = None
    fetches: tuple[Fetch, ...] = ()
    repetitions: Sequence[Repetition] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended. ``document`` is the finished PipelineRun or TaskRun, ``record`` the directory of its record.

    ``record_problem`` is why the record is missing or incomplete; empty if there is no such problem. ``is_reported``:
    the coordinator reported the outcome; otherwise it was inferred from the Pod.
    """

    exit_code: int
    document: dict[str, Any] | None = None
    was_interrupted: bool = False
    record: Path | None = None
    record_problem: str = ""
    is_reported: bool = False

    @property
    def is_last(self) -> bool:
        """Whether the remaining runs are not started."""
        return self.was_interrupted or self.exit_code == WRONG_INPUT


def run_pods(compilations: Sequence[Compilation], backend: Backend, options: Options) -> int:
    """Run compiled Pods, show them, and return the exit code of the command."""
    with background_output() as output:
        print_problems(warnings_of(compilations), sys.stderr)
        _report_ignored_objects(backend, compilations[0].passed_through)
        ended: list[Ended] = []
        with signal_pipe(*ENDING, signal.SIGWINCH) as signals, output.on_loss(signals.report_reader_gone):
            for number, compilation in enumerate(compilations):
                ended.append(_run_one(compilation, backend, options, signals.reader, number))
                if ended[-1].is_last:
                    break
        left = compilations[len(ended) :]
        if left:
            print(f"Not started: {', '.join(map(_described, left))}", file=_stream(options.output))
        documents = [run.document for run in ended if run.document is not None]
        write_documents(documents, len(compilations), options.output)
        records = [run.record for run in ended if run.record is not None]
        options.report(records, [run.record_problem for run in ended if run.record_problem])
    if left and ended[-1].was_interrupted:
        return CANCELLED
    return _exit_code([run.exit_code for run in ended])


def _exit_code(codes: Sequence[int]) -> int:
    """Combine exit codes: 130 if a run was cancelled, 2 if nothing was run, else 0 or 1."""
    if CANCELLED in codes:
        return CANCELLED
    return codes[0] if len(codes) == 1 else int(any(codes))


def _report_ignored_objects(backend: Backend, objects: Iterable[dict[str, Any]]) -> None:
    names = [f"{item.get('kind', '?')} '{_name(item)}'" for item in objects]
    if names:
        text = f"The {backend.name} backend ignores {', '.join(names)}."
        print(printable(text, colours=False), file=sys.stderr)


def _described(compilation: Compilation) -> str:
    document = compilation.plan.document
    return f"{document['kind']} '{_name(document)}'"


def _name(document: dict[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _stream(output: Output) -> Any:
    return sys.stdout if output == "human" else sys.stderr


def _run_one(compilation: Compilation, backend: Backend, options: Options, wake_up: int, number: int) -> Ended:
    with backend.pod(compilation, keep=options.keep) as pod:
        try:
            running = pod.start()
        except (PodRefusedError, BackendUnavailableError) as error:
            if _is_interrupted(wake_up):  # Ctrl-C ends what the backend waits for, such as a pull
                print("monopod run: cancelled before it was started", file=sys.stderr)
                return Ended(CANCELLED, was_interrupted=True)
            problems = error.problems if isinstance(error, PodRefusedError) else [f"monopod run: {error}"]
            print(*map(visible_lines, problems), sep="\n", file=sys.stderr)
            return Ended(WRONG_INPUT)
        if number:
            print(file=_stream(options.output))
        elif backend.notice and not options.lines.selection.quiet:
            print(backend.notice, file=sys.stderr)
        recorder = None
        if options.records is not None:
            recorder = Recorder(
                options.records,
                compilation.plan,
                compilation.pod,
                backend=backend.name,
                files=options.files,
                origin=Origin(own_project(), backend.context, pod.state_directory),
                repeated_by=options.repetitions[number] if options.repetitions else None,
            )
        is_host = backend.name == "host"  # it enforces no limits of memory, and uses no images
        limits, unused = ({}, images(compilation.pod)) if is_host else (memory_limits(compilation.pod), {})
        plan = compilation.plan
        masks = secret_masks(pod, compilation.secrets)
        ended = follow_pod(
            pod, running, plan, options, wake_up, masks=masks, limits=limits, unused_images=unused, recorder=recorder
        )
        if recorder is not None and pod.kept_volumes:
            recorder.keep(pod.kept_volumes)
        return _with_files(ended, pod, compilation, options)


def _with_files(ended: Ended, pod: FilesPod, compilation: Compilation, options: Options) -> Ended:
    """Fetch files after a run, and return how it ended: it has failed if they could not be fetched."""
    if not options.fetches:
        return ended
    outcome = fetch_all(pod, compilation.exchanged, options.fetches, _stream(options.output))
    if outcome is FetchOutcome.INTERRUPTED:
        return replace(ended, exit_code=CANCELLED, was_interrupted=True)
    return ended if outcome is FetchOutcome.COMPLETE else replace(ended, exit_code=ended.exit_code or FAILED)


def secret_masks(pod: Pod, secrets: Sequence[dict[str, Any]] = ()) -> Masks:
    """Return the masks for these Secrets, and for those of the cluster that a Pod refers to."""
    of_cluster, problems = pod.cluster_secrets()
    return masks_of((*secrets, *of_cluster), problems)


def follow_pod(
    pod: Pod,
    running: RunningPod,
    plan: Plan,
    options: Options,
    wake_up: int,
    *,
    masks: Masks,
    limits: Mapping[str, str],
    unused_images: Mapping[str, str] | None = None,
    recorder: Recorder | None = None,
) -> Ended:
    """Follow a Pod that was started to its end, and show and record it.

    `wake_up` gives the numbers of signals, `limits` are the containers' limits of memory, where they are enforced, and
    `unused_images` their images, where they are not used. `masks` are the secrets of the run.
    """
    follower = Follower(plan, limits, unused_images, masks)
    display = recording(
        make_display(_stream(options.output), follower, os.environ, options.lines, running.usage), recorder
    )
    run = Run(running, follower, display, wake_up)
    summary, began = None, time.time()
    try:
        with pod.cancel_requests() as cancel_requests, caught(signal.SIGTSTP, signal.SIGCONT):
            for name in run.follow(cancel_requests):
                if options.output == "name":
                    print(f"{plan.document['kind'].lower()}.tekton.dev/{name}", flush=True)
        outcome = run.outcome()
        ended = follower.finished.at if follower.finished else time.time()
        context = failure_context(plan, _what_shows_more(pod, recorder, options))
        pod.take_outcome(outcome, is_reported=follower.finished is not None)
        summary = summarize(follower, run.outcome_shown(outcome), ended, pod.kept or None, context)
        if recorder is not None:
            recorder.end(outcome, ended)
    finally:
        display.close(summary)
    document = ended_document(plan, progress_of(plan, run.events), outcome, ended, pod=pod.metadata, began=began)
    document = masked_document(completed(document, plan, run.status), follower.masks)
    record, problem = (None, "") if recorder is None else (recorder.directory, recorder.problem)
    is_reported = follower.finished is not None
    return Ended(outcome.exit_code, document, run.is_interrupted, record, problem, is_reported=is_reported)


def _what_shows_more(pod: Pod, recorder: Recorder | None, options: Options) -> More:
    """Return what gives the command that shows all that a Step wrote: from what stays of it, else of a new run."""

    def more(task: str, step: str, container: str) -> str:
        shows_log = pod.logs_command(task, step, container)
        if shows_log is not None:
            return shows_log
        if recorder is not None and recorder.directory is not None and not recorder.problem:
            return shlex.join([*program_name(), "logs", recorder.directory.name, f"{task}/{step}"])
        return "" if options.more is None else options.more(task, step, container)

    return more


def _is_interrupted(wake_up: int) -> bool:
    """Return whether this process received a signal to end. Consumes all received signals."""
    return any(number in (*ENDING, READER_GONE) for number in received(wake_up))


def write_documents(documents: Sequence[dict[str, Any]], wanted: int, output: Output) -> None:
    """Write finished runs to standard output in the requested format; several runs as a List."""
    if output not in ("json", "yaml") or not documents:
        return
    document = documents[0] if wanted == 1 else {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    if output == "yaml":
        write_yaml([document])
    else:
        write_json(json.dumps(document, indent=2) + "\n")
