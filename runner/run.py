"""Running a compiled Pod on this machine: starting it, following it to its end, cancelling it.

Rules:

- The outcome is what the coordinator tells; the Pod's own phase is held against it, and a stream that ended without an
  outcome is a failure.
- The first Ctrl-C (or SIGTERM) asks the coordinator to cancel: Steps get their grace period. The second kills the Pod
  at once. Whatever happens, nothing of the Pod is left when this is over.

What is left to others: the Pod itself (``host``), whose line is whose (``follow``), how it looks (the displays).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeAlias

from monopod.compiler.compilation import Compilation
from monopod.compiler.yaml_text import to_yaml
from monopod.entrypoint import binary
from monopod.runner.display import Display, make_display
from monopod.runner.follow import Follower, OutputLine
from monopod.runner.host.errors import HostUnavailableError, PodRefusedError
from monopod.runner.host.events import (
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodFinished,
    PodWarning,
)
from monopod.runner.host.pod import HostPod
from monopod.runner.lines import LineSplitter
from monopod.runner.problem_report import print_problems
from monopod.runner.summary import Outcome, summarize
from monopod.schemas.run_events import RunWarning, StepFinished, from_line
from monopod.schemas.words import exit_code_in_words

Output: TypeAlias = Literal["human", "json", "yaml", "name"]

COORDINATOR = "coordinator"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_EVENT = 256 * 1024 * 1024
"""Bytes of one event of the coordinator at most: the last one holds all Results of the run."""

IMAGES_NOT_USED = "The backend host does not use image: the Steps run with this machine's programs."
CANCELLING = "Cancelling: Steps that run are asked to stop. Ctrl-C again kills them."
KILLING = "Killing everything that runs."


def run_on_host(compilation: Compilation, *, runtime_image: str, output: Output, keep: bool) -> int:
    """Run a compiled Pod on this machine, show it, and return the exit code of the command.

    With the output ``human`` all is shown on standard output; else what was asked for is the only thing there.
    """
    print_problems(compilation.warnings, sys.stderr)
    pod = HostPod(
        compilation.pod,
        runtime_image_name=runtime_image,
        entrypoint_binary=str(binary.path()),
        config_maps=_by_name(compilation.config_maps),
        secrets=_by_name(compilation.secrets),
        keep=keep,
    )
    with _signals() as wake_up, pod:
        try:
            pod.start()
        except PodRefusedError as error:
            print("\n".join(error.problems), file=sys.stderr)
            return 2
        except HostUnavailableError as error:
            print(f"monopod run: {error}", file=sys.stderr)
            return 2
        print(IMAGES_NOT_USED, file=sys.stderr)
        follower = Follower(compilation.plan)
        display = make_display(sys.stdout if output == "human" else sys.stderr, follower, os.environ)
        run = Run(pod, follower, display)
        summary = None
        try:
            for name in run.follow(wake_up):
                if output == "name":
                    print(f"{compilation.plan.document['kind'].lower()}.tekton.dev/{name}", flush=True)
            outcome = run.outcome()
            ended = follower.finished.at if follower.finished else time.time()
            summary = summarize(follower, outcome, ended, pod.state_directory if keep else None)
        finally:
            display.close(summary)
    if follower.finished is not None and output in ("json", "yaml"):
        document = follower.finished.document
        sys.stdout.write(to_yaml(document) if output == "yaml" else json.dumps(document, indent=2) + "\n")
    return outcome.exit_code


def _by_name(objects: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects}


@contextmanager
def _signals() -> Iterator[int]:
    """Give a descriptor from which the numbers of the signals that ask this process to end can be read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heeded = [each for each in _ENDING if signal.getsignal(each) != signal.SIG_IGN]  # as nohup asks for
    before = {number: signal.signal(number, lambda *_: None) for number in heeded}
    wake_up_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wake_up_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


class Pod(Protocol):
    """What is needed of a Pod that runs; `HostPod` says more."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to tell."""

    def events(self, timeout: float | None) -> Iterable[Event]:
        """Tell what has happened."""

    def drain(self, container: str) -> Iterable[ContainerOutput]:
        """Return what the container has written up to now and `events` has not told."""

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process of a container, if it runs."""

    def kill(self) -> None:
        """Kill all containers at once."""


class Run:
    """One run of a Pod: reads what happens in it, and has it shown."""

    def __init__(self, pod: Pod, follower: Follower, display: Display) -> None:
        self._pod = pod
        self._follower = follower
        self._display = display
        self._events = LineSplitter(LONGEST_EVENT)
        self._coordinator_runs = False
        self._coordinator_end = ""
        self._status: dict[str, Any] | None = None
        self._interrupts = 0

    def follow(self, wake_up: int) -> Iterator[str]:
        """Follow the run until its Pod has ended; yield its name as soon as it is known.

        `wake_up` is a descriptor that gives the numbers of the signals that this process gets.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._pod, selectors.EVENT_READ)
            selector.register(wake_up, selectors.EVENT_READ)
            name = ""
            while self._status is None:
                for event in self._pod.events(0):
                    self._take(event)
                if self._follower.name != name:
                    name = self._follower.name
                    yield name
                timeout = self._display.refresh(time.time())
                if self._status is None and any(key.fd == wake_up for key, _ in selector.select(timeout)):
                    for number in os.read(wake_up, 64):
                        self._interrupt(number)
        for line in self._follower.end():
            self._display.show(line)

    def outcome(self) -> Outcome:
        """Return how the run ended, by what the coordinator told and by what became of the Pod."""
        phase = (self._status or {}).get("phase")
        finished = self._follower.finished
        if finished is None:
            if self._interrupts:
                return Outcome("Cancelled", "Cancelled", "it was killed before it could end by itself")
            why = (self._status or {}).get("message") or self._coordinator_end
            message = "the coordinator did not tell how the run ended" + (f": {why}" if why else "")
            return Outcome("Failed", "OutcomeUnknown", message)
        if finished.status == "Succeeded" and phase != "Succeeded" and not self._interrupts:
            message = f"the coordinator told that the run succeeded, but the phase of its Pod is {phase}"
            return Outcome("Failed", "PodFailed", message)
        return Outcome(finished.status, finished.reason, finished.message)

    def _take(self, event: Event) -> None:
        match event:
            case ContainerOutput(container, stream, data) if (container, stream) == (COORDINATOR, "stdout"):
                for line in self._events.feed(data):
                    self._take_line(line)
            case ContainerOutput():
                self._take_output(event)
            case ContainerStarted(container) if container == COORDINATOR:
                self._coordinator_runs = True
            case ContainerTerminated():
                self._container_ended(event)
            case PodWarning(message):
                self._display.show(RunWarning(time.time(), message))
            case PodFinished(status):
                self._status = status
            case _:
                pass  # that a Step's container is there means nothing yet

    def _take_line(self, line: str) -> None:
        try:
            event = from_line(line)
        except ValueError:
            self._display.show(OutputLine(COORDINATOR, "", line))
            return
        if isinstance(event, StepFinished):
            for output in self._pod.drain(event.container):
                self._take_output(output)
        for shown in self._follower.event(event):
            self._display.show(shown)

    def _take_output(self, output: ContainerOutput) -> None:
        for line in self._follower.output(output.container, output.data):
            self._display.show(line)

    def _container_ended(self, event: ContainerTerminated) -> None:
        if event.container == COORDINATOR:
            self._coordinator_runs = False
            self._coordinator_end = f"it ended with {exit_code_in_words(event.exit_code)}"
        if event.reason == "StartError":
            message = f"container {event.container} could not be started: {event.message}"
            self._display.show(RunWarning(time.time(), message))

    def _interrupt(self, number: int) -> None:
        self._interrupts += 1
        if self._interrupts == 1 and number != signal.SIGHUP and self._coordinator_runs:
            self._display.notice(CANCELLING)
            self._pod.signal(COORDINATOR, signal.SIGTERM)
        else:
            self._display.notice(KILLING)
            self._pod.kill()
