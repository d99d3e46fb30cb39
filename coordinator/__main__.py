"""The program of the coordinator's container: ``python3 -m monopod.coordinator [OPTION]... [--] PIECE...``

Takes the Plan in pieces (``monopod.schemas.plan.encode``) and the run's name from the environment (the downward API),
runs the coordinator, and reports on standard output what happens. After the run it exits when all containers have
ended, or on SIGTERM. If it ended before them, kubelet would restart it; if it waited for SIGTERM, the Pod would end a
second later, since kubelet would notice two ends one after the other. With ``--end-with-run``, as an ordinary
container, it does not wait for containers that have not started.

SIGTERM and SIGINT before the end cancel the run, SIGUSR1 and SIGUSR2 cancel and stop it gracefully (Tekton:
CancelledRunFinally, StoppedRunFinally). After SIGTERM it exits at the end of the run. Deleting the Pod sends SIGTERM;
kubelet also sends it when all other containers have ended, so their exits are read before it cancels.

Exit codes: 0 the run succeeded, 1 it did not, 2 it could not be started, 3 it cannot continue (the journal is not
writable, or another coordinator has it). Options are parsed by hand: importing ``argparse`` takes as long as everything
else together.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from monopod.coordinator.control_directory import ROOT
from monopod.coordinator.engine.containers import slots_of
from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.events import Begun
from monopod.coordinator.engine.handover import LIMIT, MOST_BYTES, VARIABLE, hand_over, take_over
from monopod.coordinator.journal import JournalError
from monopod.coordinator.shell import Coordinator
from monopod.schemas.plan import Plan, decode
from monopod.schemas.run_events import CANNOT_CONTINUE, CANNOT_START, RunEvent, RunFinished, to_line
from monopod.schemas.run_log import RunLog
from monopod.system.write_all import write_all

if TYPE_CHECKING:
    from monopod.coordinator.files_container import FilesContainer
    from monopod.coordinator.shell import Listener

USAGE = (
    "usage: python3 -m monopod.coordinator [--format human|json] [--root DIR] [--files copied,fetched] "
    "[--handover FILE] [--end-with-run] [--] PIECE..."
)
TERMINATION_LOG = "/dev/termination-log"


class UsageError(Exception):
    """The command line is wrong; the message says why."""


class Options(NamedTuple):
    """The options of the command line. ``root`` is /monopod, except in tests.

    ``files`` says what the container ``files`` is for: ``copied`` and ``fetched`` files. ``handover`` is the file for
    what the Pod hands over to the Pods of other groups, instead of the termination message.
    """

    pieces: tuple[str, ...]
    form: Literal["human", "json"] = "human"
    root: str = ROOT
    ends_with_run: bool = False
    files: tuple[str, ...] = ()
    handover: str = ""


def parse_options(arguments: Sequence[str]) -> Options:
    """Parse a command line. Raises UsageError."""
    given = {"--format": "human", "--root": ROOT, "--files": "", "--handover": ""}
    ends_with_run = False
    pieces: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":
            pieces += rest
        elif argument == "--end-with-run":
            ends_with_run = True
        elif name in given:
            given[name] = value if equals else next(rest, "")
        elif argument.startswith("-"):
            raise UsageError(f"unknown option {argument[:40]!r}; {USAGE}")
        else:
            pieces.append(argument)
    if not pieces:
        raise UsageError(f"missing Plan; {USAGE}")
    if not given["--root"]:
        raise UsageError("--root must be a directory")
    return Options(
        tuple(pieces),
        _form(given["--format"]),
        given["--root"],
        ends_with_run,
        _files(given["--files"]),
        given["--handover"],
    )


def _files(text: str) -> tuple[str, ...]:
    words = tuple(filter(None, text.split(",")))
    if not {"copied", "fetched"}.issuperset(words):
        raise UsageError(f"--files must be copied, fetched or both, not {text[:40]!r}")
    return words


def _form(text: str) -> Literal["human", "json"]:
    if text == "human":
        return "human"
    if text == "json":
        return "json"
    raise UsageError(f"--format must be human or json, not {text[:40]!r}")


def identity(environment: Mapping[str, str]) -> Begun:
    """Return the first event of a run that starts now, with its name from the environment."""
    return Begun(
        at=time.time(),
        name=environment.get("MONOPOD_RUN_NAME", "run"),
        namespace=environment.get("MONOPOD_NAMESPACE", "default"),
        uid=environment.get("MONOPOD_RUN_UID", ""),
        monotonic=time.monotonic(),
    )


class Output:
    """Writes the run's log to standard output, and its end to the termination message. A closed reader is ignored.

    The Pod of a group that succeeded hands over to others instead, by the termination message or a file.
    """

    def __init__(self, form: Literal["human", "json"], engine: Engine, handover: str) -> None:
        self._form = form
        self._engine = engine
        self._handover = handover
        self._log = RunLog()

    def report(self, events: Sequence[RunEvent], *, replayed: bool) -> None:
        """Write the events. With `replayed`, only remember them."""
        lines = []
        for event in events:
            if self._form == "json":
                self._log.note(event)
                lines.append(to_line(event))
            else:
                lines += self._log.lines(event)
            if isinstance(event, RunFinished):
                self._write_end(event)
        if not replayed:
            with contextlib.suppress(OSError):
                write_all(1, "".join(f"{line}\n" for line in lines).encode(errors="replace"))

    def _write_end(self, event: RunFinished) -> None:
        summary = self._log.summary(event)
        names, run = self._engine.plan.hands_over, self._engine.run
        if not names or run is None or run.outcome is None or not run.outcome.succeeded:
            _write_termination_message(summary)
            return
        word = hand_over(run, names, int(os.environ.get(LIMIT) or MOST_BYTES))
        if self._handover:
            _write_termination_message(summary)
            _write_file(self._handover, word, os.O_CREAT)
        else:
            _write_termination_message(word)


def _write_termination_message(text: str) -> None:
    with contextlib.suppress(OSError):  # it is not there outside of Kubernetes
        _write_file(TERMINATION_LOG, text)


def _write_file(path: str, text: str, flags: int = 0) -> None:
    """Replace the content of a file. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | flags)
    try:
        write_all(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _refuse(error: Exception, code: int) -> int:
    """Report why there is no coordinator, also in the termination message. Returns the exit code."""
    print(f"coordinator: {error}", file=sys.stderr)
    _write_termination_message(str(error))
    return code


def _take_up(plan: Plan, options: Options) -> Coordinator:
    slots = tuple(slots_of(plan.pipeline))
    engine = Engine(plan, marks=options.form == "json")  # monopod run splits the output at the marks
    return Coordinator(
        engine,
        slots,
        options.root,
        _listener(plan, options, Output(options.form, engine, options.handover)),
        plan.stop_grace,
        ends_with_run=options.ends_with_run,
        files=_files_container(options),
    )


def _listener(plan: Plan, options: Options, output: Output) -> Listener:
    """Return what follows the run: its log, and what lowers the requests of the Pod if that is wanted."""
    if not plan.shrinkable:
        return output
    from monopod.coordinator.capacity.own_pod import OwnPod  # noqa: PLC0415  # few Pods need it
    from monopod.coordinator.capacity.self_shrinking import SelfShrinking  # noqa: PLC0415

    return SelfShrinking(plan, output, OwnPod(os.environ), f"{options.root}/state/requests")


def _files_container(options: Options) -> FilesContainer | None:
    if not options.files:
        return None
    from monopod.coordinator.files_container import FILES, FilesContainer  # noqa: PLC0415  # few Pods have it

    path = f"{options.root}/steps/{FILES}"
    return FilesContainer(path, awaits="copied" in options.files, holds="fetched" in options.files)


def main() -> int:
    """Run the coordinator and return its exit code."""
    gc.disable()  # until everything that lives as long as the run is created
    os.umask(0)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a container takes five descriptors
    try:
        options = parse_options(sys.argv[1:])
        plan = decode(options.pieces, int(os.environ.get("JOB_COMPLETION_INDEX") or 0))
    except (UsageError, ValueError) as error:
        return _refuse(error, CANNOT_START)
    try:
        coordinator = _take_up(take_over(plan, os.environ.get(VARIABLE, "").split()), options)
        gc.freeze()
        gc.enable()
        return coordinator.run(identity(os.environ))
    except (OSError, JournalError) as error:
        return _refuse(error, CANNOT_CONTINUE)


if __name__ == "__main__":
    sys.exit(main())
