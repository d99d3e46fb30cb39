"""The coordinator's loop, with a scripted engine: files become events, commands become files, once.

The script of a test runs inside the engine. It reacts to events by changing files, as the entrypoint and the Steps do,
and by returning commands. Time passes only through the coordinator's own timers.
"""

import errno
import fcntl
import http.server
import itertools
import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from monopod.coordinator import shell as coordinator_module
from monopod.coordinator.cel_process import CelProcesses
from monopod.coordinator.control_directory import ControlDirectory
from monopod.coordinator.engine.events import (
    Begun,
    CancelRequested,
    CelEvaluated,
    ClearTimer,
    ContainerDied,
    ContainerReady,
    ContainerRestarted,
    EvaluateCel,
    Exit,
    Finish,
    ProbeEnded,
    ReadResults,
    ReleaseContainer,
    Report,
    ResultsRead,
    RunProbe,
    RunStep,
    SetTimer,
    StepExited,
    StopStep,
    TimerFired,
    TryConnection,
    WriteExitCode,
)
from monopod.coordinator.journal import Journal, JournalError
from monopod.coordinator.shell import Coordinator
from monopod.schemas.plan import Probe, Slot
from monopod.schemas.run_events import RunWarning
from monopod.system.never_started import mark_never_started

pytestmark = pytest.mark.usefixtures("signals_restored")

BEGUN = Begun(1.0, "run", "default", "uid", monotonic=-1e6)  # later than all times in these tests
TRUE = ("/bin/true",)
MARK = "0123456789abcdef" * 2
SECOND = 1_000_001
"""The number of the first request of a second life."""


def probe_copies(pod):
    """Return the records of `run.N` that have the output of a probe in the container `side` copied."""
    path = os.fsencode(pod.path("probe", "side"))
    return b"o" + path + b"\0r" + path + b"\0"


class KilledError(Exception):
    """Simulates a SIGKILL of the coordinator at this point."""


class Pod:
    """The files of a Pod, an engine that follows a script, and the coordinator's reports."""

    def __init__(self, root, containers=("c",), sidecars=(), *, restarts=False):
        self.root = root
        self.slots = (Slot("s", tuple(containers), tuple(sidecars), restarts=restarts),)
        for name in (*containers, *sidecars):
            (root / "steps" / name).mkdir(parents=True)
        (root / "slots" / "s" / "tekton").mkdir(parents=True)
        (root / "slots" / "s" / "scripts").mkdir()
        self.locks = {}
        self.events = []
        self.reported = []
        self.script = None

    def handle(self, event):
        self.events.append(event)
        return self.script(event) or []

    def report(self, events, *, replayed):
        self.reported += [(event, replayed) for event in events]

    def path(self, name, container="c"):
        return self.root / "steps" / container / name

    def start(self, container="c", *, life=1, ring=True):
        """Create the files that an entrypoint creates at its start."""
        name = "alive" if life == 1 else f"alive.{life}"
        descriptor = os.open(self.path(name, container), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if life > 1:
            os.write(descriptor, f"{MARK}\n".encode())
        self.locks[container] = descriptor
        if ring:
            self.ring(container)

    def die(self, container="c"):
        """Drop the lock, as the kernel does when a process ends."""
        os.close(self.locks.pop(container))

    def ring(self, container="c"):
        descriptor = os.open(self.path("ring", container), os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"\n")
        os.close(descriptor)

    def exited(self, number, container="c", content="code=0\n", *, ring=True):
        self.path(f".exited.{number}", container).write_text(content)
        self.path(f".exited.{number}", container).rename(self.path(f"exited.{number}", container))
        if ring:
            self.ring(container)

    def requests(self, container="c"):
        return sorted(name for name in os.listdir(self.root / "steps" / container) if name.startswith("run."))

    def run(self, script, begun=BEGUN):
        self.script = script
        with self.coordinator() as coordinator:
            return coordinator.run(begun)

    @contextmanager
    def coordinator(self):
        coordinator = Coordinator(self, self.slots, str(self.root), self, stop_grace=10)
        try:
            yield coordinator
        finally:  # as the kernel does when it is killed
            coordinator._journal.close()
            for container in coordinator._containers.values():
                container.directory.close()
            coordinator._epoll.close()
            signal.set_wakeup_fd(-1)
            os.close(coordinator._wake_up)
            os.close(coordinator._wake_up_end)

    def kinds(self):
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def pod(tmp_path):
    made = []

    def make(**options):
        made.append(Pod(tmp_path / str(len(made)), **options))
        return made[-1]

    yield make
    for each in made:
        for descriptor in each.locks.values():
            os.close(descriptor)


def run_step(request=1, container="c", **options):
    return RunStep("s", container, request, options.pop("arguments", TRUE), **options)


def before_each_wait(coordinator, act):
    """Call a function with 1, 2, and so on, each time that the coordinator is about to wait."""
    wait, numbers = coordinator._wait, itertools.count(1)

    def counted():
        act(next(numbers))
        wait()

    coordinator._wait = counted


def at_its_wait(coordinator, which, number):
    """Send a signal once the coordinator is waiting."""
    before_each_wait(coordinator, lambda nth: os.kill(os.getpid(), number) if nth == which else None)


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def finish(code=0):
    os.kill(os.getpid(), signal.SIGTERM)
    return [Finish(code)]


@pytest.mark.parametrize("ring", [True, False])
def test_one_step_from_start_to_end(pod, ring):
    pod = pod()

    def script(event):
        match event:
            case Begun():
                pod.start(ring=ring)
            case ContainerReady():
                return [run_step(directories=("/tekton/steps/step-a/results",), fresh=True)]
            case StepExited():
                return [ReleaseContainer("c", 3), *finish(1)]
        return None

    original = pod.handle

    def handle(event):
        commands = original(event)
        if isinstance(event, ContainerReady):  # the entrypoint takes the request as soon as it is written
            pod.exited(1, content="code=3\npeak=9\n", ring=ring)
        return commands

    pod.handle = handle
    assert pod.run(script) == 1
    assert pod.kinds() == ["Begun", "ContainerReady", "StepExited"]
    assert pod.events[-1].exit == Exit(code=3, peak=9)
    assert pod.path("run.1").read_bytes() == b"a/bin/true\0.\0"
    assert pod.path("exit").read_text() == "3 12000\n"
    assert (pod.root / "slots/s/tekton/steps/step-a/results").is_dir()
    assert (pod.root / "slots/s/tekton/home").is_dir()


def test_event_is_journaled_before_its_commands_run(pod):
    pod = pod()
    seen = []

    def script(event):
        seen.append((pod.root / "state/journal").read_text().splitlines()[-1])
        match event:
            case Begun():
                return [SetTimer("t", 0)]
            case TimerFired():
                return finish()

    pod.run(script)
    assert ['"event":"Begun"' in seen[0], '"timer":"t"' in seen[1]] == [True, True]


def test_timers_fire_in_order_and_only_while_set(pod):
    pod = pod()

    def script(event):
        match event:
            case Begun():
                return [
                    SetTimer("later", 30),
                    SetTimer("sooner", 20),
                    SetTimer("cleared", 10),
                    SetTimer("moved", 5),
                    ClearTimer("cleared"),
                    ClearTimer("never set"),
                    SetTimer("moved", 40),
                ]
            case TimerFired(timer="moved"):
                return finish()

    pod.run(script)
    assert [event.timer for event in pod.events[1:]] == ["sooner", "later", "moved"]


@pytest.mark.parametrize(
    ("number", "mode"),
    [
        (signal.SIGTERM, "Cancelled"),
        (signal.SIGINT, "Cancelled"),
        (signal.SIGUSR1, "CancelledRunFinally"),
        (signal.SIGUSR2, "StoppedRunFinally"),
    ],
)
def test_signals_cancel(pod, number, mode):
    pod = pod()

    def script(event):
        match event:
            case Begun():
                os.kill(os.getpid(), number)
            case CancelRequested():
                if number == signal.SIGTERM:
                    return [Finish(1)]  # it returns Finish only once
                return finish(1)
        return None

    assert pod.run(script) == 1
    assert [event.mode for event in pod.events[1:]] == [mode]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_only_termination_is_handled_after_the_end(pod, number):
    pod = pod()

    def script(event):
        assert isinstance(event, Begun)
        pod.start()
        return [SetTimer("t", 0), Finish(0)]

    pod.script = script
    with pod.coordinator() as coordinator:
        at_its_wait(coordinator, 3, number)
        assert coordinator.run(BEGUN) == 0
    assert pod.kinds() == ["Begun"]
    assert len((pod.root / "state/journal").read_text().splitlines()) == 1


@pytest.mark.parametrize("has_started", [True, False])
def test_coordinator_stays_until_all_containers_have_ended(pod, has_started):
    """A native sidecar that ends before them would be started again."""
    pod = pod()

    def script(event):
        assert isinstance(event, Begun)
        if has_started:
            pod.start()
        return [Finish(3)]

    pod.script = script
    waits = []
    with pod.coordinator() as coordinator:

        def act(nth):
            waits.append(coordinator._may_exit())
            if nth == 3:
                if not has_started:
                    pod.start()
            elif nth == 6:
                pod.die()

        before_each_wait(coordinator, act)
        assert coordinator.run(BEGUN) == 3
    assert len(waits) > 6
    assert not any(waits[:6])


def test_coordinator_stays_while_kubelet_tries_to_start_a_container(pod, monkeypatch):
    """A native sidecar that ends before would be restarted again and again."""
    monkeypatch.setattr(coordinator_module, "SETTLE_SECONDS", 0.0)
    pod = pod()

    def script(event):
        match event:
            case Begun():
                pod.path("alive").write_text("CreateContainerConfigError\nno Secret\n")
            case ContainerDied():
                return [Finish(1)]
        return None

    pod.script = script
    answers = []
    with pod.coordinator() as coordinator:

        def ask(_):
            answers.append(coordinator._may_exit())
            if coordinator._exit_code is not None:
                os.kill(os.getpid(), signal.SIGTERM)

        before_each_wait(coordinator, ask)
        assert coordinator.run(BEGUN) == 1
        assert coordinator._terminated
    assert pod.events[-1].reason == "CreateContainerConfigError"
    assert not any(answers)


class TestDeath:
    def test_dropped_lock_is_a_death(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.die()
                    return [run_step()]
                case ContainerDied():
                    return finish(1)
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "ContainerDied"]

    def test_exits_before_a_death_are_reported_first(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.exited(1, content="signal=15\n", ring=False)
                    pod.die()
                    return [run_step()]
                case ContainerDied():
                    return finish(1)
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "StepExited", "ContainerDied"]

    def test_released_container_just_ends(self, pod):
        pod = pod(containers=("c", "d"))

        def script(event):
            match event:
                case Begun():
                    pod.start()
                    pod.start("d")
                case ContainerReady(container="c"):
                    pod.die()
                    return [ReleaseContainer("c", 0)]
                case ContainerReady(container="d"):
                    pod.die("d")
                case ContainerDied(container="d"):
                    return finish()
            return None

        pod.run(script)
        assert sorted(pod.kinds()) == ["Begun", "ContainerDied", "ContainerReady", "ContainerReady"]

    def test_a_container_is_released_during_the_run_after_the_next_step_was_requested(self, pod):
        pod = pod(containers=("c", "d"))

        def script(event):
            match event:
                case Begun():
                    pod.start("d")
                case ContainerReady():
                    return [ReleaseContainer("c", 0), run_step(container="d"), SetTimer("look", event.at)]
                case TimerFired() if pod.path("exit").exists():
                    return finish()
                case TimerFired():
                    return [SetTimer("look", event.at + 0.01)]
            return None

        pod.run(script)
        assert pod.path("run.1", "d").stat().st_mtime_ns <= pod.path("exit").stat().st_mtime_ns

    def test_container_dead_at_the_first_look_was_never_ready(self, pod):
        pod = pod()
        pod.path("alive").touch()

        def script(event):
            if isinstance(event, ContainerDied):
                return finish(1)
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerDied"]

    def test_container_that_never_started_is_reported_with_the_reason(self, pod):
        pod = pod(containers=("c", "d"))
        mark_never_started(str(pod.path("x").parent), "ErrImagePull", "it is not there")
        seen = []

        def script(event):
            match event:
                case Begun():
                    pod.start("d")
                case ContainerReady(container="d"):
                    pod.path("alive", "d").write_text("ErrImagePull\nforged by its Step\n")
                    pod.die("d")
                case ContainerDied():
                    seen.append(event[1:4])
                    return finish(1) if len(seen) == 2 else None
            return None

        pod.run(script)
        assert sorted(seen) == [("c", "ErrImagePull", "it is not there"), ("d", "", "")]

    @pytest.mark.parametrize("mark", [True, False])
    def test_exits_before_sigterm_precede_the_cancellation(self, pod, mark):
        """Kubelet sends SIGTERM once all other containers have ended, so the end of the last container is the cause."""
        pod = pod(containers=("c", "d"))

        def script(event):
            match event:
                case Begun():
                    pod.start("d")
                case ContainerReady(container="d"):
                    if mark:
                        mark_never_started(str(pod.path("x").parent), "StartError", "no such user")
                    else:
                        pod.die("d")
                    os.kill(os.getpid(), signal.SIGTERM)
                case CancelRequested():
                    return [Finish(1)]
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "ContainerDied", "CancelRequested"]
        assert pod.events[2][1:4] == (("c", "StartError", "no such user") if mark else ("d", "", ""))

    def test_container_about_to_take_its_lock_is_not_dead(self, pod):
        pod = pod()
        pod.path("alive").touch()

        def script(event):
            match event:
                case Begun():
                    return [SetTimer("locks", 0)]
                case TimerFired(timer="locks"):
                    pod.path("alive").unlink()
                    pod.start()
                case ContainerReady():
                    return finish()
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "TimerFired", "ContainerReady"]


class TestContainersThatRestart:
    def test_a_request_of_the_life_before_is_over_and_the_next_life_gets_its_own(self, pod):
        pod = pod(restarts=True)

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.die()
                    return [run_step(fresh=True)]
                case ContainerDied():
                    pod.start(life=2)
                case ContainerRestarted():
                    pod.exited(SECOND)
                    return [run_step(SECOND, fresh=True)]
                case StepExited():
                    return finish()
            return None

        assert pod.run(script) == 0
        assert pod.kinds() == ["Begun", "ContainerReady", "ContainerDied", "ContainerRestarted", "StepExited"]
        assert pod.events[2].will_restart
        assert pod.events[3][1:] == ("c", 2, MARK)
        assert pod.events[4].request == SECOND
        assert pod.requests() == ["run.1", f"run.{SECOND}"]

    def test_an_end_that_the_life_before_has_left_counts(self, pod):
        """It was written before the container died."""
        pod = pod(restarts=True)

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.exited(1, ring=False)
                    pod.die()
                    return [run_step(fresh=True)]
                case ContainerDied():
                    pod.start(life=2)
                case StepExited():
                    return finish()
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "StepExited"]

    def test_a_life_that_ends_before_it_is_seen_is_one_more_death(self, pod):
        pod = pod(restarts=True)

        def script(event):
            match event:
                case Begun():
                    pod.path("alive").touch()
                case ContainerDied() if pod.kinds().count("ContainerDied") == 1:
                    pod.path("alive.2").write_text(f"{MARK}\n")
                case ContainerDied():
                    pod.start(life=3)
                case ContainerRestarted():
                    return finish()
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerDied", "ContainerDied", "ContainerRestarted"]
        assert pod.events[-1].life == 3

    def test_another_coordinator_takes_up_the_life_that_the_journal_is_at(self, pod):
        pod = pod(restarts=True)

        def killed(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.die()
                case ContainerDied():
                    raise KilledError

        with pytest.raises(KilledError):
            pod.run(killed)
        pod.start(life=2, ring=False)
        pod.events.clear()
        pod.run(lambda event: finish() if isinstance(event, ContainerRestarted) else None)
        assert pod.kinds() == ["Begun", "ContainerReady", "ContainerDied", "ContainerRestarted"]

    def test_a_released_container_that_comes_again_finds_its_exit(self, pod):
        pod = pod(restarts=True)

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.die()
                case ContainerDied():
                    return [ReleaseContainer("c", 1), *finish(1)]
            return None

        assert pod.run(script) == 1
        assert pod.path("exit").read_text().startswith("1 ")

    @pytest.mark.parametrize("is_known", [True, False])
    def test_after_sigterm_nothing_restarts_any_more(self, pod, is_known):
        pod = pod(restarts=True)

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    pod.die()
                    if not is_known:
                        os.kill(os.getpid(), signal.SIGTERM)
                case ContainerDied(will_restart=True):
                    os.kill(os.getpid(), signal.SIGTERM)
                case CancelRequested():
                    return [Finish(1)]
            return None

        pod.run(script)
        died = [event.will_restart for event in pod.events if isinstance(event, ContainerDied)]
        assert died[-1] is False
        assert pod.kinds()[-1] == "CancelRequested"


class TestRequestsThatCannotBeWritten:
    def run(self, pod, step, before=lambda: None):
        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    before()
                    return [step]
                case StepExited(request=1):
                    return [run_step(2)]
                case ContainerDied():
                    return finish(1)
            return None

        original = pod.handle

        def handle(event):
            if isinstance(event, StepExited) and event.request == 1:
                pod.die()
            return original(event)

        pod.handle = handle
        pod.run(script)
        return next(event.exit for event in pod.events if isinstance(event, StepExited))

    def test_nul_in_a_request(self, pod):
        pod = pod()
        exit_ = self.run(pod, run_step(arguments=("echo", "a\0b")))
        words = "the argument 'a\\x00b' contains a NUL character, which cannot be passed to a program"
        assert exit_ == Exit(code=126, error=words, mark="")
        assert pod.path("run.1").read_bytes() == b""  # the number is used up
        assert pod.path("run.2").read_bytes() == b"a/bin/true\0.\0"

    def test_missing_scripts_directory(self, pod):
        pod = pod()
        exit_ = self.run(
            pod,
            run_step(script_name="x", script="#!/bin/sh\n"),
            before=(pod.root / "slots/s/scripts").rmdir,
        )
        assert exit_.code == 126
        assert exit_.error.endswith("slots/s/scripts: No such file or directory")

    def test_unwritable_control_directory_is_a_dead_container(self, pod, monkeypatch):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    monkeypatch.setattr(ControlDirectory, "write_request", full_disk)
                    return [run_step()]
                case ContainerDied():
                    return finish(1)
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "StepExited", "ContainerDied"]


def test_unwritable_journal_ends_the_coordinator_at_once(pod, monkeypatch):
    pod = pod()

    def script(event):
        pod.start()
        monkeypatch.setattr(Journal, "append", full_disk)

    with pytest.raises(OSError, match="No space left on device"):
        pod.run(script)
    assert pod.kinds() == ["Begun"]


class TestStop:
    """Steps that were stopped."""

    def run(self, pod, monkeypatch, step):
        """Run a Step and stop it; `step` gets the number of attempts to write the stop request."""
        tries = []
        write = ControlDirectory.write_kill

        def write_kill(directory, *order):
            tries.append(order)
            step(len(tries))
            write(directory, *order)

        def script(event):
            match event:
                case Begun():
                    pod.start()
                case ContainerReady():
                    return [run_step(), StopStep("c", 1, 2.0)]
                case StepExited():
                    return finish()
            return None

        monkeypatch.setattr(ControlDirectory, "write_kill", write_kill)
        pod.run(script)
        return tries, pod.events[-1].exit

    def test_failed_write_of_a_stop_request_is_retried(self, pod, monkeypatch):
        pod = pod()

        def step(tries):
            if tries < 3:
                full_disk()
            pod.exited(1, content="signal=15\n")

        tries, exit_ = self.run(pod, monkeypatch, step)
        assert exit_ == Exit(signal=15)
        assert tries[0] == (1, signal.SIGTERM, 2.0)
        assert all(number == 1 and grace < 2.0 for number, _, grace in tries[1:])
        ((warning, _),) = pod.reported
        assert warning.message == "cannot stop the Step in container c, retrying: No space left on device"

    def test_step_that_does_not_end_is_given_up(self, pod, monkeypatch):
        monkeypatch.setattr(coordinator_module, "STOP_SECONDS", -2.0)
        pod = pod()
        tries, exit_ = self.run(pod, monkeypatch, lambda _: None)
        assert exit_ == Exit(code=126, error="it did not end after it was stopped", left="the Step itself")
        assert len(tries) == 1
        assert pod.reported == []


@pytest.mark.parametrize("shift", [7200.0, -7200.0])
def test_setting_the_clock_does_not_move_timers(pod, monkeypatch, shift):
    """A timer due in an hour does not fire at once, nor the reverse, not even after a restart."""
    pod = pod()
    begun = Begun(time.time(), "run", "default", "uid", time.monotonic())
    before = time.time

    def script(event):
        match event:
            case Begun(at=at):
                monkeypatch.setattr(time, "time", lambda: before() + shift)
                return [SetTimer("in an hour", at + 3600), SetTimer("at once", at)]
            case TimerFired(timer="at once", at=at) if len(pod.events) == 2:
                raise KilledError
            case TimerFired(timer="at once", at=at):
                return [SetTimer("after a restart", at)]
            case TimerFired():
                return finish()

    with pytest.raises(KilledError):
        pod.run(script, begun)
    pod.run(script, begun)
    assert [event.timer for event in pod.events if isinstance(event, TimerFired)] == [
        *["at once"] * 2,
        "after a restart",
    ]
    assert all(0 <= event.at - begun.at < 3600 for event in pod.events)


def test_commands_become_files(pod):
    pod = pod()

    def script(event):
        match event:
            case Begun():
                pod.start()
                return [WriteExitCode("s", "step-a", 0, 7)]
            case ContainerReady():
                (pod.root / "slots/s/tekton/results").mkdir()
                (pod.root / "slots/s/tekton/results/x").write_text("one")
                (pod.root / "slots/s/tekton/results/y").symlink_to("/etc/passwd")
                return [
                    run_step(script_name="a-1", script="#!/bin/sh\n"),
                    StopStep("c", 1, 2.5),
                    ReadResults("s", ("/tekton/results/x", "/tekton/results/y", "/tekton/results/z")),
                ]
            case ResultsRead():
                return finish()

    pod.run(script)
    assert pod.path("kill.1").read_text() == "15 2500\n"
    assert (pod.root / "slots/s/scripts/a-1").read_text() == "#!/bin/sh\n"
    assert (pod.root / "slots/s/tekton/steps/step-a/exitCode").read_text() == "7"
    assert (pod.root / "slots/s/tekton/steps/0").readlink() == Path("step-a")
    assert pod.events[-1].files == {"/tekton/results/x": "one"}
    assert pod.events[-1].problems == {"/tekton/results/y": "/tekton/results/y is a symbolic link"}


def test_unwritable_file_is_a_warning(pod):
    pod = pod()

    def script(event):
        (pod.root / "slots/s/tekton").rmdir()
        return [WriteExitCode("s", "step-a", 0, 7), *finish()]

    pod.run(script)
    ((warning, again),) = pod.reported
    assert not again
    assert warning.message.startswith("cannot write the exit code of step-a for the Steps of s: ")
    assert warning.message.endswith("No such file or directory")


def test_endless_ringing_blocks_nothing(pod):
    pod = pod(containers=("c", "d"))
    stop = threading.Event()

    def ring():
        descriptor = os.open(pod.path("ring"), os.O_WRONLY | os.O_NONBLOCK)
        while not stop.is_set():
            try:
                os.write(descriptor, b"x" * 4096)
            except BlockingIOError:
                continue
            except BrokenPipeError:
                break  # the coordinator has ended
        os.close(descriptor)

    ringer = threading.Thread(target=ring)

    def script(event):
        match event:
            case Begun():
                pod.start()
            case ContainerReady(container="c"):
                ringer.start()
                return [SetTimer("t", event.at + 0.6)]
            case TimerFired():
                pod.start("d", ring=False)
            case ContainerReady(container="d"):
                return finish()
        return None

    try:
        pod.run(script)
    finally:
        stop.set()
        ringer.join()


class TestRestart:
    """A coordinator is killed (by an exception from the engine or the listener) and another coordinator takes over."""

    def kill_at(self, pod, script, kind, where):
        """Run `script` until the first event of `kind`; be killed before or after its commands are carried out."""

        def killed(event):
            commands = script(event) or []
            if isinstance(event, kind) and where == "before":
                raise KilledError
            if isinstance(event, kind):
                return [*commands, Report(RunWarning(event.at, "last words"))]
            return commands

        def report(events, *, replayed):
            raise KilledError

        if where == "after":
            pod.report, original = report, pod.report
        with pytest.raises(KilledError):
            pod.run(killed)
        if where == "after":
            pod.report = original
        handled = list(pod.events)
        pod.events.clear()
        return handled

    @pytest.mark.parametrize("where", ["before", "after"])
    def test_step_runs_once(self, pod, where):
        pod = pod()
        files = pod.root / "slots/s/tekton/results"

        def script(event):
            match event:
                case Begun() if not pod.locks:
                    pod.start()
                case ContainerReady():
                    return [run_step(fresh=True)]
                case StepExited():
                    return finish()
            return None

        handled = self.kill_at(pod, script, ContainerReady, where)
        assert pod.requests() == ([] if where == "before" else ["run.1"])
        written = None
        if where == "after":
            (files / "digest").write_text("written by the Step meanwhile")
            written = pod.path("run.1").stat().st_ino
            pod.exited(1, ring=False)

        def continue_run(event):
            if isinstance(event, ContainerReady) and where == "before":
                threading.Timer(0.1, pod.exited, (1,), {"ring": False}).start()
            return script(event)

        assert pod.run(continue_run) == 0
        assert pod.events[: len(handled)] == handled
        assert pod.kinds() == ["Begun", "ContainerReady", "StepExited"]
        assert pod.requests() == ["run.1"]
        if where == "after":
            assert (files / "digest").exists()
            assert pod.path("run.1").stat().st_ino == written

    def test_timers_results_and_files_are_restored(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    timers = SetTimer("fired", 0), SetTimer("cleared", 9e9), SetTimer("open", event.at + 5)
                    return [run_step(), *timers]
                case TimerFired(timer="fired"):
                    (pod.root / "slots/s/tekton/x").write_text("result")
                    return [
                        ClearTimer("cleared"),
                        ReadResults("s", ("/tekton/x",)),
                        WriteExitCode("s", "step-a", 0, 1),
                        ReleaseContainer("c", 4),
                    ]
                case TimerFired(timer="open"):
                    return finish()

        handled = self.kill_at(pod, script, TimerFired, "before")
        assert not (pod.root / "slots/s/tekton/steps/step-a/exitCode").exists()
        pod.run(script)
        assert pod.events[:2] == handled
        assert pod.kinds()[2:] == ["ResultsRead", "TimerFired"]
        assert pod.events[2].files == {"/tekton/x": "result"}
        assert (pod.root / "slots/s/tekton/steps/step-a/exitCode").read_text() == "1"
        assert pod.path("exit").read_text() == "4 12000\n"

    @pytest.mark.parametrize("where", ["before", "after"])
    def test_a_retry_never_finds_the_exit_code_of_the_attempt_before(self, pod, where):
        pod = pod()

        def script(event):
            match event:
                case Begun() if not pod.locks:
                    pod.start()
                case ContainerReady():
                    pod.exited(1, content="code=1\n")
                    return [run_step(fresh=True)]
                case StepExited(request=1):
                    return [WriteExitCode("s", "step-a", 0, 1), run_step(2, fresh=True), SetTimer("now", 0)]
                case TimerFired():
                    assert os.listdir(pod.root / "slots/s/tekton/steps") == []
                    return finish()
            return None

        self.kill_at(pod, script, StepExited, where)
        assert pod.requests() == (["run.1"] if where == "before" else ["run.1", "run.2"])
        pod.run(script)
        assert pod.kinds()[-1] == "TimerFired"

    def test_containers_released_by_earlier_events_are_released(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    return [ReleaseContainer("c", 4), SetTimer("now", 0)]
                case TimerFired():
                    return finish()

        self.kill_at(pod, script, TimerFired, "before")
        assert not pod.path("exit").exists()
        pod.run(script)
        assert pod.path("exit").read_text() == "4 12000\n"

    def test_only_reports_of_the_last_event_are_repeated(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    return [Report(RunWarning(1, "first")), SetTimer("a", 0)]
                case TimerFired(timer="a"):
                    return [Report(RunWarning(2, "second")), SetTimer("b", 1)]
                case TimerFired(timer="b"):
                    return [Report(RunWarning(3, "third")), *finish()]

        def die(event):
            if event == TimerFired(event.at, "b"):
                raise KilledError
            return script(event)

        with pytest.raises(KilledError):
            pod.run(die)
        pod.reported.clear()
        pod.run(script)
        assert [(event.message, replayed) for event, replayed in pod.reported] == [
            ("first", True),
            ("second", True),
            ("third", False),
        ]

    def test_exit_code_is_known_after_a_kill_at_the_end(self, pod):
        pod = pod()

        def script(event):
            return [Finish(1)]

        self.kill_at(pod, script, Begun, "after")
        pod.script = script
        with pod.coordinator() as coordinator:
            at_its_wait(coordinator, 1, signal.SIGTERM)
            assert coordinator.run(BEGUN) == 1
        assert pod.kinds() == ["Begun"]

    def test_container_that_died_in_between(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun() if not pod.locks:
                    pod.start()
                case ContainerReady():
                    return [run_step()]
                case ContainerDied():
                    return finish(1)
            return None

        self.kill_at(pod, script, ContainerReady, "after")
        pod.die()

        def continue_run(event):
            return None if isinstance(event, Begun) else script(event)

        pod.run(continue_run)
        assert pod.kinds() == ["Begun", "ContainerReady", "ContainerDied"]

    def test_locks_are_taken_again_and_are_exclusive(self, pod):
        pod = pod()
        with pod.coordinator(), pytest.raises(JournalError, match="another coordinator"), pod.coordinator():
            pass
        with pod.coordinator():
            probe = os.open(pod.path("coordinator"), os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.close(probe)

    @pytest.mark.parametrize("written", [True, False])
    def test_probe_runs_once(self, pod, written):
        pod = pod(sidecars=("side",))
        (pod.root / "state").mkdir()
        journal = Journal(str(pod.root / "state" / "journal"))
        for event in (BEGUN, ContainerReady(2, "side"), TimerFired(3, "probe")):
            journal.append(event)
        journal.close()
        pod.start("side", ring=False)
        for number in (1, 2) if written else (1,):
            pod.path(f"run.{number}", "side").write_text("as it was")

        def script(event):
            match event:
                case ContainerReady():
                    return [run_step(1, "side")]
                case TimerFired(timer="probe"):
                    return [RunProbe("s", "side", 2, TRUE), SetTimer("then", 0)]
                case TimerFired(timer="then"):
                    pod.exited(2, "side")
                case ProbeEnded():
                    return finish()
            return None

        pod.run(script)
        assert pod.requests("side") == ["run.1", "run.2"]
        assert pod.path("run.2", "side").read_bytes() == (
            b"as it was" if written else b"a/bin/true\0q\0" + probe_copies(pod) + b".\0"
        )
        assert pod.events[-1][1:] == ("side", 2, True, "")

    def test_connection_without_an_answer_is_retried(self, pod):
        pod = pod(sidecars=("side",))
        with socket.create_server(("127.0.0.1", 0)) as server:
            attempt = TryConnection("side", 1, Probe(tcp_port=server.getsockname()[1]))

            def script(event):
                return [attempt] if isinstance(event, Begun) else finish()

            self.kill_at(pod, script, Begun, "before")
            pod.run(script)
        assert pod.events[1][1:] == ("side", 1, True, "")


class TestProbes:
    def test_probe_command_is_a_separate_request(self, pod):
        pod = pod(sidecars=("side",))

        def script(event):
            match event:
                case Begun():
                    pod.start("side")
                case ContainerReady():
                    return [
                        run_step(1, "side"),
                        RunProbe("s", "side", 2, ("/bin/check", "x"), (("A", "b"),), "/there"),
                        SetTimer("t", 0),
                    ]
                case TimerFired():
                    pod.path("probe", "side").write_text("it is\nnot there\n")
                    pod.exited(2, "side", "code=1\n")
                case ProbeEnded(request=2):
                    pod.exited(3, "side", "code=0\n")
                    return [RunProbe("s", "side", 3, TRUE)]
                case ProbeEnded(request=3):
                    return finish()
            return None

        pod.run(script)
        records = b"eA=b\0a/bin/check\0ax\0q\0d/there\0" + probe_copies(pod) + b".\0"
        assert pod.path("run.2", "side").read_bytes() == records
        assert [each[2:] for each in pod.events if isinstance(each, ProbeEnded)] == [
            (2, False, "exit code 1: it is not there"),
            (3, True, ""),
        ]

    def test_stopped_probe_is_killed_and_has_not_succeeded(self, pod):
        pod = pod(sidecars=("side",))

        def script(event):
            match event:
                case Begun():
                    pod.start("side")
                case ContainerReady():
                    return [run_step(1, "side"), RunProbe("s", "side", 2, TRUE), SetTimer("t", 0)]
                case TimerFired():
                    pod.exited(2, "side", "signal=9\n")
                    return [StopStep("side", 2, 0)]
                case ProbeEnded():
                    return finish()
            return None

        pod.run(script)
        assert pod.path("kill.2", "side").read_text() == "15 0\n"
        assert pod.events[-1][1:] == ("side", 2, False, "exit code 137: ended by SIGKILL")

    def test_probe_that_cannot_be_written_has_not_succeeded(self, pod):
        pod = pod(sidecars=("side",))

        def script(event):
            match event:
                case Begun():
                    pod.start("side")
                case ContainerReady():
                    return [run_step(1, "side"), RunProbe("s", "side", 2, ("check", "a\0b"))]
                case ProbeEnded():
                    return finish()
            return None

        pod.run(script)
        assert pod.path("run.2", "side").read_bytes() == b""  # the number is used up
        assert pod.events[-1][1:4] == ("side", 2, False)
        assert "contains a NUL character" in pod.events[-1].reason

    @pytest.mark.parametrize("kind", ["link", "fifo", "large"])
    def test_output_of_a_probe_is_hostile(self, pod, kind, tmp_path):
        pod = pod(sidecars=("side",))
        (tmp_path / "secret").write_text("secret")

        def leave():
            path = pod.path("probe", "side")
            match kind:
                case "link":
                    path.symlink_to(tmp_path / "secret")
                case "fifo":
                    os.mkfifo(path)
                case "large":
                    path.write_bytes(b"x" * 100_000 + b"\x1b[2J\xff")

        def script(event):
            match event:
                case Begun():
                    pod.start("side")
                case ContainerReady():
                    return [run_step(1, "side"), RunProbe("s", "side", 2, TRUE), SetTimer("t", 0)]
                case TimerFired():
                    leave()
                    pod.exited(2, "side", "code=3\n")
                case ProbeEnded():
                    return finish()
            return None

        pod.run(script)
        assert (
            pod.events[-1].reason.removeprefix("exit code 3")
            == {
                "link": "",
                "fifo": "",
                "large": ": …" + "x" * 195 + "\\x1b[2J\ufffd",
            }[kind]
        )

    def connect(self, pod, probe, until):
        """Try a connection until this many answers have arrived; return the answers."""

        def script(event):
            if len(pod.events) > until:
                return finish()
            return [TryConnection("side", 1, probe)]

        pod.run(script)
        assert pod.kinds() == ["Begun", *["ProbeEnded"] * until]
        assert [not event.reason for event in pod.events[1:]] == [event.succeeded for event in pod.events[1:]]
        return [event.succeeded for event in pod.events[1:]]

    def test_tcp(self, pod):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert self.connect(pod(sidecars=("side",)), Probe(tcp_port=port), 1) == [True]
        closed = pod(sidecars=("side",))
        assert self.connect(closed, Probe(tcp_port=port), 1) == [False]
        assert closed.events[-1].reason == f"127.0.0.1:{port}: Connection refused"

    def test_http(self, pod):
        pod = pod(sidecars=("side",))
        statuses = [500, 404, 302]
        paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append((self.path, self.headers["Host"], self.headers["X-Y"]))
                self.send_response(statuses.pop(0))
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            url = f"http://127.0.0.1:{server.server_port}/ready?now"
            answers = self.connect(pod, Probe(http_url=url, http_headers=(("X-Y", "z"),)), 3)
            server.shutdown()
            thread.join()
        assert answers == [False, False, True]
        assert pod.events[1].reason == f"{url}: HTTP status 500"
        assert paths == [("/ready?now", f"127.0.0.1:{server.server_port}", "z")] * 3


class TestCel:
    """Expressions are evaluated one after another, in parallel to everything else; answers in the journal are final."""

    ASKED = tuple(
        EvaluateCel(number, expression)
        for number, expression in enumerate(("{'a': 1, 'b': 2}.map(key, key)[0] == 'a'", "[][0]", "'a' == 'a'"), 1)
    )
    SLOW = EvaluateCel(1, "[0,1,2,3,4,5,6,7,8,9].all(a, " * 9 + "true" + ")" * 9)

    def answers(self, pod):
        def script(event):
            match event:
                case Begun():
                    return self.ASKED
                case CelEvaluated(number=3):
                    return finish()

        pod.run(script)
        return pod.events[1:]

    def test_every_expression_has_an_answer_and_a_replay_the_same(self, pod):
        pod = pod()
        first, second, third = answers = self.answers(pod)
        assert isinstance(first.truth, bool)
        assert second[1:] == (2, False, "CEL expression '[][0]': index out of bounds: 0")
        assert third[1:] == (3, True, "")
        pod.events.clear()
        pod.script = lambda event: self.ASKED if isinstance(event, Begun) else None

        def die():
            raise KilledError

        with pod.coordinator() as coordinator:
            coordinator._wait = die
            with pytest.raises(KilledError):
                coordinator.run(BEGUN)
        assert pod.events[1:] == answers

    @pytest.mark.parametrize("known", range(4))
    def test_only_answers_missing_from_the_journal_are_evaluated_again(self, pod, known, monkeypatch):
        pod = pod()
        (pod.root / "state").mkdir()
        journal = Journal(str(pod.root / "state" / "journal"))
        was = [CelEvaluated(1, 1, True), CelEvaluated(1, 2, False, "a reason"), CelEvaluated(1, 3, False)]
        for event in (BEGUN, *was[:known]):
            journal.append(event)
        journal.close()
        started = []

        def start(processes, expression, original=CelProcesses.start):
            started.append(expression)
            return original(processes, "1 == 1")

        monkeypatch.setattr(CelProcesses, "start", start)
        answers = self.answers(pod)
        assert answers[:known] == was[:known]
        assert [(each.number, each.truth) for each in answers[known:]] == [(n, True) for n in range(known + 1, 4)]
        assert started == [each.expression for each in self.ASKED[known:]]

    def test_other_events_do_not_wait_for_an_evaluation(self, pod):
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    pod.start()
                    return [self.SLOW]
                case ContainerReady():
                    return [run_step(), SetTimer("t", 0)]
                case TimerFired():
                    pod.exited(1)
                case CelEvaluated():
                    return finish()
            return None

        pod.run(script)
        assert pod.kinds() == ["Begun", "ContainerReady", "TimerFired", "StepExited", "CelEvaluated"]
        assert "takes too long to evaluate" in pod.events[-1].problem

    def test_evaluation_without_time_is_given_up(self, pod, monkeypatch):
        monkeypatch.setattr("monopod.coordinator.cel_process.WAIT_SECONDS", 0.01)
        pod = pod()

        def script(event):
            match event:
                case Begun():
                    return [self.SLOW]
                case CelEvaluated():
                    return finish()

        pod.run(script)
        assert pod.events[1].problem.endswith("takes too long to evaluate: more than 0.0 s")
