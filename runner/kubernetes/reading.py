"""Reads a run whose Pod is in a cluster: its events, its log, and the output of its Tasks.

Rules: reading changes nothing. Without `follow` it ends with what exists now.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.display.printable import printable, printable_lines
from monopod.runner.follow.follower import Follower, OutputLines, Shown
from monopod.runner.follow.lines import LineSplitter, prefixed
from monopod.runner.follow.ordered import Ordered, Output
from monopod.runner.follow.output_order import OutputOrder
from monopod.runner.follow.pod_events import ContainerOutput, Event, PodFinished, PodWarning
from monopod.runner.known_runs.task_selection import Selection
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.following import FollowedPod
from monopod.runner.kubernetes.line_times import LineTimes
from monopod.runner.kubernetes.observation import NOT_FOLLOWED
from monopod.runner.kubernetes.pod_secrets import read_secrets
from monopod.runner.kubernetes.titled_log import TitledLog, WrittenLine
from monopod.runner.masking.masked import masked_event
from monopod.runner.masking.masks import Masks
from monopod.runner.masking.secret_values import masks_of
from monopod.runner.records.replay import Replayed
from monopod.runner.run import LONGEST_EVENT
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.run_events import RunEvent, TaskStarted, from_line


def pod_events(existing: ExistingPod, *, follow: bool, reads: Callable[[str], bool]) -> Generator[Event]:
    """Yield the events of a Pod so far, and with `follow` further events up to its end.

    `reads` decides whose output is wanted besides the coordinator's. Raises BackendUnavailableError.
    """
    with _followed(existing, follow=follow, reads=reads) as pod:
        while True:
            for event in pod.events(None):
                yield event
                if _is_end(event):
                    return


def _masks(existing: ExistingPod) -> Masks:
    """Return the masks for the Secrets of a Pod; report which values are not masked."""
    masks = masks_of(*read_secrets(existing.cluster, existing.pod))
    while masks.warnings:
        _print_warning(PodWarning(masks.warnings.pop(0)))
    return masks


def _followed(existing: ExistingPod, *, follow: bool, reads: Callable[[str], bool]) -> closing[FollowedPod]:
    pod = FollowedPod(
        existing.cluster,
        existing.plan,
        existing.pod,
        has_events=existing.reports_events,
        reads=reads,
        is_live=follow,
    )
    return closing(pod)


def _is_end(event: Event) -> bool:
    """Return whether an event is the last of a Pod. Raises BackendUnavailableError if the user may not follow it."""
    if not isinstance(event, PodFinished):
        return False
    if event.status.get("reason") == NOT_FOLLOWED:
        raise BackendUnavailableError(event.status["message"])
    return True


def _ordered(
    existing: ExistingPod, *, follow: bool, reads: Callable[[str], bool], times: LineTimes
) -> Generator[Ordered]:
    """Yield the events of `pod_events` in order; `times` takes the times of lines. Raises BackendUnavailableError."""
    splitter = LineSplitter(LONGEST_EVENT)
    with _followed(existing, follow=follow, reads=reads) as pod:
        order = OutputOrder(existing.plan, pod.drain)
        is_over = False
        while not is_over:
            for event in pod.events(order.seconds_to_wait(time.monotonic())):
                _print_warning(event)
                if isinstance(event, ContainerOutput) and event.container != COORDINATOR:
                    times.note(event)
                    try:
                        order.output(event, time.monotonic())
                    except OSError:  # a full disk
                        yield from order.take(time.monotonic())
                        order.output(event, time.monotonic())
                for line in _coordinator_lines(event, splitter):
                    with suppress(ValueError):  # not an event, but an error message of the coordinator
                        order.event(from_line(line))
                is_over = is_over or _is_end(event)
            yield from order.take(time.monotonic())
        yield from order.end(time.monotonic())
        order.close()


def events_of(existing: ExistingPod, *, follow: bool) -> Generator[RunEvent]:
    """Yield the coordinator's events so far, and with `follow` further events. Raises BackendUnavailableError."""
    splitter = LineSplitter(LONGEST_EVENT)
    for event in pod_events(existing, follow=follow, reads=lambda _: False):
        for line in _coordinator_lines(event, splitter):
            try:
                yield from_line(line)
            except ValueError:
                print(printable(line, colours=False), file=sys.stderr)


def read_events(existing: ExistingPod) -> tuple[list[RunEvent], list[str]]:
    """Return the coordinator's events so far, and warnings about the Pod. Raises BackendUnavailableError."""
    splitter, masks = LineSplitter(LONGEST_EVENT), masks_of(*read_secrets(existing.cluster, existing.pod))
    events: list[RunEvent] = []
    warnings: list[str] = [*masks.warnings]
    for event in pod_events(existing, follow=False, reads=lambda _: False):
        if isinstance(event, PodWarning):
            warnings.append(masks.mask_message(event.message))
        for line in _coordinator_lines(event, splitter):
            try:
                events.append(masked_event(from_line(line), masks))
            except ValueError:
                warnings.append(masks.mask(line))
    return events, warnings


def replayed(existing: ExistingPod, *, follow: bool, reads: Callable[[str], bool]) -> Generator[Replayed]:
    """Yield what is shown of a run so far, and with `follow` up to its end. Raises BackendUnavailableError.

    `reads` decides of which containers the output is read.
    """
    masks = _masks(existing)
    follower = Follower(existing.plan, masks=masks)
    attempts: dict[str, int] = {}
    times = LineTimes()
    for ordered in _ordered(existing, follow=follow, reads=reads, times=times):
        container = ordered.container if isinstance(ordered, Output) else ""
        for shown in follower.take(ordered):
            if isinstance(shown, TaskStarted):
                attempts[follower.label(shown.task, shown.index)] = shown.attempt
            yield from _replayed(shown, attempts, container, times)
    for lines in follower.end():
        yield from _replayed(lines, attempts, "", times)


def _replayed(shown: Shown, attempts: Mapping[str, int], container: str, times: LineTimes) -> Iterator[Replayed]:
    if not isinstance(shown, OutputLines):
        yield Replayed(shown.at, shown, getattr(shown, "attempt", None))
        return
    for at, text in times.dated(container, shown.text):
        yield Replayed(at, OutputLines(shown.task, shown.step, text), attempts.get(shown.task, 0))


def print_text_log(existing: ExistingPod, selection: Selection | None, *, follow: bool) -> None:
    """Print the log of a coordinator that logs text, or the logs of a Task's containers.

    Raises BackendUnavailableError, NoSuchPodError.
    """
    if selection is None:
        _print_run_log(existing, follow=follow)
    else:
        _print_logs(existing, selection, follow=follow)


def _print_run_log(existing: ExistingPod, *, follow: bool) -> None:
    splitter, masks = LineSplitter(LONGEST_EVENT), _masks(existing)
    for event in pod_events(existing, follow=follow, reads=lambda _: False):
        _print_warning(event)
        for line in _coordinator_lines(event, splitter):
            print(printable(masks.mask_message(line), colours=sys.stdout.isatty()), flush=True)


def _print_logs(existing: ExistingPod, selection: Selection, *, follow: bool) -> None:
    """Print the logs of a Task's containers, without knowing which attempt of a Step wrote which line."""
    source, may_run_others = selection.source, len(selection.steps) > len(set(selection.steps.values()))
    if source.combination is not None and source.index is None and may_run_others:
        raise NoSuchPodError(
            f"only runs started by `monopod run` report the names of combinations; use an index, as in {source.path}[0]"
        )
    masks = _masks(existing)
    splitters = {container: LineSplitter(masks=masks) for container in selection.steps}
    titled = {container: TitledLog() for container in selection.reused}
    for event in pod_events(existing, follow=follow, reads=selection.steps.__contains__):
        _print_warning(event)
        if isinstance(event, ContainerOutput) and event.container in splitters:
            text = splitters[event.container].feed_text(event.data)
            if text is not None and event.container in titled:
                _print_written(titled[event.container].feed(masks.mask_output(text)), selection, event.container)
            elif text is not None:
                prefix = "" if selection.is_single else f"[{selection.steps[event.container]}] "
                _print_output(masks.mask_output(text), prefix)
    for container, log in titled.items():
        _print_written(log.end(), selection, container)


def _print_written(lines: Iterator[WrittenLine], selection: Selection, container: str) -> None:
    """Print the lines that a selected Step wrote. Before a title, as in a Pod from an older monopod, any may have."""
    source = selection.source
    for line in lines:
        if source.covers(line.task, line.step, InstanceNames()) if line.task else source.combination is None:
            _print_output(line.text, "" if selection.is_single else f"[{line.step or selection.steps[container]}] ")


def _coordinator_lines(event: Event, splitter: LineSplitter) -> list[str]:
    if isinstance(event, ContainerOutput) and event.container == COORDINATOR:
        return splitter.feed(event.data)
    return []


def _print_output(text: str, prefix: str) -> None:
    """Print lines that are joined by newlines, with a prefix before each."""
    print(prefixed(printable_lines(text, colours=sys.stdout.isatty()), printable(prefix, colours=False)), flush=True)


def _print_warning(event: Event) -> None:
    if isinstance(event, PodWarning):
        print(printable(f"warning: {event.message}", colours=False), file=sys.stderr, flush=True)
