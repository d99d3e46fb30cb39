"""Follows a Pod that was started to its end, shows and records its run, and fetches its files.

Importing this takes a fifth of the time of a command, so the command creates its Pod first.

``run`` reads and handles the events; ``run_pods`` starts Pods, and ``kubernetes.detached`` attaches to them.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from monopod.runner.backend import Backend, FilesPod, Pod, RunningPod
from monopod.runner.commands.options.cluster import program_name
from monopod.runner.display.background_output import unread
from monopod.runner.display.ci_systems import job_environment, systems_of
from monopod.runner.display.display import make_display
from monopod.runner.display.summary import summarize
from monopod.runner.exit_codes import CANCELLED, FAILED
from monopod.runner.files.fetching import FetchOutcome, fetch_all
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.follow.follower import Follower
from monopod.runner.masking.masked import masked_document
from monopod.runner.masking.masks import Masks
from monopod.runner.masking.secret_values import masks_of
from monopod.runner.records.recorder import Recorder, recording
from monopod.runner.records.store import Origin, own_project
from monopod.runner.reports.failures import More, failure_context, images, memory_limits
from monopod.runner.run import Run
from monopod.runner.run_options import Ended, Options
from monopod.runner.signals import caught
from monopod.schemas.plan import Plan, runnable_tasks
from monopod.schemas.run_progress import progress_of

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.compiler.diagnostics import Position
    from monopod.runner.ci.job_reports import Locate
    from monopod.runner.records.repetition import Repetition


def follow_run(
    pod: FilesPod,
    running: RunningPod,
    compilation: Compilation,
    options: Options,
    wake_up: int,
    *,
    backend: Backend,
    repeated_by: Repetition | None,
) -> Ended:
    """Follow the Pod of a compiled run to its end, show and record it, and fetch its files.

    `wake_up` gives the numbers of signals, and `repeated_by` says how the run can be repeated.
    """
    recorder = None
    if options.records is not None:
        recorder = Recorder(
            options.records,
            compilation.plan,
            compilation.pod,
            backend=backend.name,
            files=options.files,
            origin=Origin(own_project(), backend.context, pod.state_directory),
            repeated_by=repeated_by,
        )
        recorder.keep(pod.kept_volumes)  # now, because this process may be killed
        if backend.name == "kubernetes":
            recorder.begin(*(pod.metadata[field] for field in ("name", "namespace", "uid")))
    is_host = backend.name == "host"  # it enforces no limits of memory, and uses no images
    limits, unused = ({}, images(compilation.pod)) if is_host else (memory_limits(compilation.pod), {})
    plan = compilation.plan
    masks = secret_masks(pod, compilation.secrets)
    ended = follow_pod(
        pod,
        running,
        plan,
        options,
        wake_up,
        masks=masks,
        limits=limits,
        unused_images=unused,
        recorder=recorder,
        locate=partial(_locate, compilation),
    )
    if recorder is not None:
        recorder.keep(pod.kept_volumes)
    return _with_files(ended, pod, compilation, options)


def _locate(compilation: Compilation, label: str, step: str) -> Position | None:
    """Return where a Step of a Task instance is in the files of a run; None if they do not have it."""
    tasks = {planned.path: planned.task for planned in runnable_tasks(compilation.plan.pipeline)}
    task = tasks.get(label.partition("[")[0])
    if task is None or not compilation.texts:
        return None
    # needed only for failures in CI
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415
    from monopod.compiler.documents.documents import load  # noqa: PLC0415
    from monopod.compiler.documents.step_positions import step_position  # noqa: PLC0415

    try:
        return step_position(load(list(compilation.texts), recorded=compilation.texts), task, step)
    except Problems:  # they have been changed since
        return None


def _with_files(ended: Ended, pod: FilesPod, compilation: Compilation, options: Options) -> Ended:
    """Fetch files after a run, and return how it ended: it has failed if they could not be fetched."""
    if not options.fetches:
        return ended
    outcome = fetch_all(pod, compilation.exchanged, options.fetches, options.stream)
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
    locate: Locate = lambda *_: None,
) -> Ended:
    """Follow a Pod that was started to its end, and show and record it.

    `wake_up` gives the numbers of signals, `limits` are the containers' limits of memory, where they are enforced, and
    `unused_images` their images, where they are not used. `masks` are the secrets of the run. `locate` finds Steps in
    the files, for CI systems.
    """
    follower = Follower(plan, limits, unused_images, masks)
    display = recording(make_display(options.stream, follower, os.environ, options.lines, running.usage), recorder)
    run = Run(running, follower, display, wake_up, partial(unread, options.stream))
    summary, began = None, time.time()
    try:
        with pod.cancel_requests() as cancel_requests, caught(signal.SIGTSTP, signal.SIGCONT):
            for name in run.follow(cancel_requests):
                if options.output == "name":
                    print(f"{plan.document['kind'].lower()}.tekton.dev/{name}", flush=True)
        outcome = run.outcome()
        ended = follower.finished.at if follower.finished else time.time()
        context = failure_context(plan, _what_shows_more(pod, recorder, options), _what_runs_again(recorder))
        pod.take_outcome(outcome, is_reported=follower.finished is not None)
        summary = summarize(follower, run.outcome_shown(outcome), ended, pod.kept or None, context)
        if recorder is not None:
            recorder.end(outcome, ended)
    finally:
        display.close(summary)
    if systems_of(environment := job_environment(os.environ)):
        from monopod.runner.ci.job_reports import report_to_ci  # noqa: PLC0415  # needed only in CI

        report_to_ci(summary, options.stream, environment, locate)
    document = ended_document(plan, progress_of(plan, run.events), outcome, ended, pod=pod.metadata, began=began)
    document = masked_document(completed(document, plan, run.status), follower.masks)
    record, problem = (None, "") if recorder is None else (recorder.directory, recorder.problem)
    is_reported = follower.finished is not None
    was_interrupted = run.is_interrupted or run.was_hurried
    exit_code = CANCELLED if run.leaves_out_output else outcome.exit_code
    return Ended(
        exit_code,
        document,
        was_interrupted,
        record,
        problem,
        is_reported=is_reported,
        leaves_out_rest=run.leaves_out_rest,
    )


def _what_runs_again(recorder: Recorder | None) -> str:
    """Return the command that runs the Tasks again that failed; empty if the record does not suffice."""
    if recorder is None or recorder.directory is None or not recorder.repeats_failed:
        return ""
    return shlex.join([*program_name(), "rerun", recorder.directory.name, "--failed"])


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
