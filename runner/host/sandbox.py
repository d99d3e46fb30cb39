"""The Pod sandbox: the parent process of a Pod's containers.

Rules: it is PID 1 of a PID namespace that contains all containers, so that no process of the Pod outlives it, even if
it is killed. It exits when the runner's end of the socket is closed, even if the runner was killed. All its mounts are
in its own mount namespace, so they end with it. `lifecycle` makes all decisions. The sandbox has one thread and waits
only in its selector.

``launcher`` makes it PID 1, and removes the state directory at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, NoReturn

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.host import messages
from monopod.runner.host.container import execute, run_container, termination_message_file
from monopod.runner.host.lifecycle import (
    Command,
    Finish,
    Lifecycle,
    RunHook,
    Signal,
    Start,
    Termination,
    Warn,
)
from monopod.runner.host.process_state import has_executed
from monopod.runner.host.status import container_status
from monopod.runner.host.surroundings import Surroundings, make_surroundings
from monopod.runner.kubelet.specification import Container, Pod
from monopod.schemas.formats import exit_codes
from monopod.schemas.formats.termination_messages import LONGEST_MESSAGE
from monopod.schemas.formats.words import describe_exit
from monopod.system import namespaces
from monopod.system.never_started import mark_never_started

_LONGEST_HOOK_OUTPUT = 1024
_CONTROL_DIRECTORY = "/monopod/step"
"""The control directory of each container (docs/control-directory.md)."""


class _Process:
    """A child of the sandbox: the first process of a container or of a postStart hook.

    ``report`` is a pipe to which it writes an error that occurs before its program runs; it closes when that runs.
    """

    def __init__(self, container: str, report: int | None = None, hook_output: int | None = None) -> None:
        self.container = container
        self.report = report
        self.state: Literal["starting", "started", "failed"] = "starting"
        self.hook_output = hook_output


class Sandbox:
    """Runs one Pod. ``channel`` is the socket to the runner."""

    def __init__(self, surroundings: Surroundings, channel: socket.socket) -> None:
        pod = surroundings.pod
        self._channel = channel
        self._containers = {container.name: container for container in pod.containers}
        self._surroundings = surroundings
        self._lifecycle = Lifecycle(
            ((container.name, container.kind, bool(container.post_start)) for container in pod.containers),
            grace=pod.termination_grace,
            active_deadline=pod.active_deadline,
            starts_at_a_time=os.cpu_count() or 1,
            restart_rules={each.name: each.restart_rules for each in pod.containers if each.restart_rules},
        )
        self._processes: dict[int, _Process] = {}
        self._visits: dict[int, int] = {}  # the processes of visitors, and where their exit codes are written
        self._first_processes: dict[str, int] = {}
        self._reported: dict[str, dict[str, Any]] = {}
        self._selector = selectors.DefaultSelector()
        self._own_namespace = os.pidfd_open(os.getpid())
        self._out_of_memory_kills = _out_of_memory_kills()

    def run(self) -> NoReturn:
        """Run the Pod until the runner closes the socket. Raises BrokenPipeError or ConnectionResetError then."""
        self._selector.register(self._channel, selectors.EVENT_READ, self._read_channel)
        self._selector.register(_child_signals(), selectors.EVENT_READ, self._read_child_signals)
        if self._surroundings.pod.size_limits:
            self._selector.register(_watch_sizes(self._surroundings.pod), selectors.EVENT_READ, self._read_watch)
        self._obey(self._lifecycle.begin(time.monotonic()))
        while True:
            timer = self._lifecycle.next_timer()
            timeout = None if timer is None else max(0.0, timer - time.monotonic())
            ready = self._selector.select(timeout)
            for key, _ in ready:
                if self._selector.get_map().get(key.fileobj) is key:  # an earlier one may have closed it
                    key.data(key.fd)
            if not ready:
                self._obey(self._lifecycle.tick(time.monotonic()))

    # --- what happens

    def _read_channel(self, _: int) -> None:
        received = messages.receive(self._channel)
        if received is None:
            raise BrokenPipeError
        message, descriptors = received
        match message["type"]:
            case "visit":
                self._visit(message["container"], tuple(message["command"]), descriptors)
            case "signal":
                self._obey([Signal(message["container"], message["number"])])
            case "never_started":
                self._mark_never_started(self._containers[message["container"]], message["reason"], message["message"])
            case "terminate":
                self._obey(self._lifecycle.terminate(message["grace"], time.monotonic()))

    def _mark_never_started(self, container: Container, reason: str, message: str) -> None:
        for mount in container.mounts:
            its_own = mount.path == _CONTROL_DIRECTORY and not mount.sub_path
            if its_own and not os.path.lexists(f"{mount.source}/alive"):
                try:
                    mark_never_started(mount.source, reason, message)
                except OSError as error:
                    text = f"container {container.name}: cannot mark it as never started: {error.strerror}"
                    messages.send(self._channel, "warning", message=text)

    def _read_watch(self, descriptor: int) -> None:
        """Read which emptyDir has become too large; nothing, if the watching process has failed."""
        text = os.read(descriptor, 65536).decode(errors="replace")
        self._selector.unregister(descriptor)
        os.close(descriptor)
        if text:
            self._obey(self._lifecycle.evict(text, time.monotonic()))
        else:
            text = "cannot measure emptyDirs any more: their sizeLimits are not enforced"
            messages.send(self._channel, "warning", message=text)

    def _read_child_signals(self, wakeup: int) -> None:
        os.read(wakeup, 4096)
        while self._processes:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            process = self._processes.get(pid)
            if process is not None and process.hook_output is None and process.report is not None:
                self._read_report(pid)  # before the wait: afterwards it is unknown whether it has executed a program
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if pid in self._visits:
                _answer(self._visits.pop(pid), str(exit_codes.of_signal(-code) if code < 0 else code))
            elif process is not None:
                self._reaped(pid, code)

    def _reaped(self, pid: int, code: int) -> None:
        process = self._processes[pid]
        if process.hook_output is not None:
            self._hook_ended(process, code)
            del self._processes[pid]
            return
        del self._processes[pid]
        if self._first_processes.get(process.container) == pid:
            del self._first_processes[process.container]
        if process.state == "starting":
            self._not_started(process.container, f"it {describe_exit(code)} before its program was executed")
        elif process.state == "started":
            self._exited(process, code)

    def _read_report(self, pid: int) -> None:
        """Read the result of a container's start, which is complete when the pipe closes.

        An empty report may also mean that the process is gone. Its end follows then, and reports both.
        """
        process = self._processes[pid]
        assert process.report is not None
        data = os.read(process.report, 65536)
        self._selector.unregister(process.report)
        os.close(process.report)
        process.report = None
        name = process.container
        if data:
            process.state = "failed"
            self._not_started(name, data.decode(errors="replace"))
        elif has_executed(pid):
            process.state = "started"
            at = time.time()
            count = self._lifecycle.records[name].restart_count
            messages.send(self._channel, "started", container=name, restart_count=count, at=at)
            self._obey(self._lifecycle.started(name, time.monotonic(), at), changed=name)

    def _exited(self, process: _Process, code: int) -> None:
        name = process.container
        record = self._lifecycle.records[name]
        killed_by = -code if code < 0 else None
        termination = Termination(
            exit_code=exit_codes.of_signal(-code) if code < 0 else code,
            signal=killed_by,
            reason=self._reason(code),
            message=_termination_message(termination_message_file(self._containers[name], self._surroundings)),
            started_at=record.started_at,
            finished_at=time.time(),
        )
        self._ended(name, termination)

    def _not_started(self, name: str, why: str) -> None:
        self._ended(name, Termination(exit_codes.NOT_STARTED, None, "StartError", why, None, time.time()))

    def _ended(self, name: str, termination: Termination) -> None:
        """Handle the end of a container. If its entrypoint never ran, mark that before the Pod may end for it."""
        why = termination.message
        if termination.reason != "StartError":
            code = -termination.signal if termination.signal else termination.exit_code
            why = f"it {describe_exit(code)} before it could run anything"
        self._mark_never_started(self._containers[name], "StartError", why)
        count = self._lifecycle.records[name].restart_count
        messages.send(
            self._channel,
            "terminated",
            container=name,
            restart_count=count,
            termination=[
                termination.exit_code,
                termination.signal,
                termination.reason,
                termination.message,
                termination.started_at,
                termination.finished_at,
            ],
        )
        self._obey(self._lifecycle.exited(name, termination, time.monotonic()), changed=name)

    def _reason(self, code: int) -> str:
        """Return why a container ended. The kernel's count of out-of-memory kills shows which SIGKILL was one."""
        if code == -signal.SIGKILL and not self._lifecycle.is_stopping:
            kills, self._out_of_memory_kills = self._out_of_memory_kills, _out_of_memory_kills()
            if self._out_of_memory_kills > kills:
                return "OOMKilled"
        return "Completed" if code == 0 else "Error"

    def _hook_ended(self, process: _Process, code: int) -> None:
        assert process.report is not None
        assert process.hook_output is not None
        data = os.read(process.report, _LONGEST_HOOK_OUTPUT) or os.pread(process.hook_output, _LONGEST_HOOK_OUTPUT, 0)
        output = data.decode(errors="replace").strip()
        os.close(process.report)
        os.close(process.hook_output)
        failure = None
        if code:
            failure = f"it {describe_exit(code)}: {output}" if output else f"it {describe_exit(code)}"
        name = process.container
        self._obey(self._lifecycle.hook_ended(name, failure, time.monotonic()), changed=name)

    # --- commands

    def _obey(self, commands: Iterable[Command], changed: str | None = None) -> None:
        """Carry out commands, and the commands that follow from them; first report the changed container."""
        if changed is not None:
            self._report(changed)
        for command in commands:
            match command:
                case Start(name):
                    self._start(self._containers[name])
                case RunHook(name):
                    self._run_hook(self._containers[name])
                case Signal(name, number):
                    if name in self._first_processes:
                        os.kill(self._first_processes[name], number)
                case Warn(message):
                    messages.send(self._channel, "warning", message=message)
                case Finish():
                    self._finish()

    def _report(self, name: str) -> None:
        record = self._lifecycle.records[name]
        status = container_status(record, self._containers[name].image)
        if self._reported.get(name) == status:
            return
        self._reported[name] = status
        messages.send(self._channel, "changed", status=status)

    def _finish(self) -> None:
        for name in self._lifecycle.records:
            self._report(name)
        lifecycle = self._lifecycle
        messages.send(
            self._channel, "finished", phase=lifecycle.phase(), reason=lifecycle.reason, message=lifecycle.message
        )

    def _start(self, container: Container) -> None:
        count = self._lifecycle.records[container.name].restart_count
        outputs = (os.pipe(), os.pipe())
        try:
            directory = f"{self._surroundings.pod.state_directory}/containers/{container.name}-{count}"
            os.mkdir(directory)
            pid, report = self._fork_container(container, directory, (outputs[0][1], outputs[1][1]))
        except OSError as error:  # too many processes, no room on the disk
            self._not_started(container.name, error.strerror or str(error))
        else:
            self._processes[pid] = _Process(container.name, report)
            self._first_processes[container.name] = pid
            self._selector.register(report, selectors.EVENT_READ, lambda _: self._read_report(pid))
            readers = (outputs[0][0], outputs[1][0])
            messages.send(self._channel, "created", readers, container=container.name, restart_count=count, process=pid)
        finally:
            for descriptor in (*outputs[0], *outputs[1]):
                os.close(descriptor)

    def _fork_container(self, container: Container, directory: str, outputs: tuple[int, int]) -> tuple[int, int]:
        def body() -> NoReturn:
            run_container(container, directory, self._surroundings, outputs)

        namespaces.unshare(namespaces.NEW_PID, "a PID namespace")  # for the next child, not for this process
        try:
            return _fork(body)
        finally:
            namespaces.join_namespaces(self._own_namespace, namespaces.NEW_PID)

    def _run_hook(self, container: Container) -> None:
        """Run the postStart hook in the container's namespaces. Keep its output for the message if it fails."""
        output = os.memfd_create("hook")
        try:
            pid, report = self._fork_beside(
                container, lambda: execute(container, container.post_start, self._surroundings, (output, output))
            )
        except OSError as error:  # the container has ended meanwhile
            os.close(output)
            now = time.monotonic()
            self._obey(self._lifecycle.hook_ended(container.name, error.strerror, now), changed=container.name)
            return
        self._processes[pid] = _Process(container.name, report, hook_output=output)

    def _fork_beside(self, container: Container, body: Callable[[], NoReturn]) -> tuple[int, int]:
        """Run `body` in a child in the namespaces of a running container. Raises OSError, KeyError."""
        target = os.pidfd_open(self._first_processes[container.name])

        def enter() -> NoReturn:
            namespaces.join_namespaces(target, namespaces.NEW_MOUNTS)
            os.setsid()
            body()

        try:
            namespaces.join_namespaces(target, namespaces.NEW_PID)
            try:
                return _fork(enter)
            finally:
                namespaces.join_namespaces(self._own_namespace, namespaces.NEW_PID)
        finally:
            os.close(target)

    def _visit(self, name: str, command: tuple[str, ...], descriptors: list[int]) -> None:
        """Run the command of a visitor in a container (``visits``), and answer when it has ended."""
        answer, *streams = descriptors
        os.set_inheritable(answer, False)  # its end is the end of the answer
        container = self._containers.get(name)
        try:
            if container is None or name not in self._first_processes:
                _answer(answer, "its container is not running")
                return
            pid, report = self._fork_beside(container, partial(self._be_visitor, container, command, streams))
            os.close(report)
            self._visits[pid] = answer
        except OSError as error:
            _answer(answer, error.strerror or str(error))
        finally:
            for stream in streams:
                os.close(stream)

    def _be_visitor(self, container: Container, command: tuple[str, ...], streams: list[int]) -> NoReturn:
        if os.isatty(streams[0]):
            fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
        kept = tuple(map(os.dup, streams))  # out of the way of 0, 1 and 2
        execute(container, command, self._surroundings, (kept[1], kept[2]), kept[0])


def _fork(body: Callable[[], NoReturn]) -> tuple[int, int]:
    """Run `body`, which executes a program, in a child. Return its PID and a pipe, which gets the error if it fails."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid:
        os.close(writer)
        return pid, reader
    signal.set_wakeup_fd(-1)
    try:
        body()
    except OSError as error:
        os.write(writer, (error.strerror or str(error)).encode()[:4096])
    finally:
        mistake = sys.exc_info()[1]
        if mistake is not None:  # a bug in monopod: report at least the exception
            os.write(writer, repr(mistake).encode()[:4096])
        os._exit(exit_codes.NOT_STARTED)


def _answer(pipe: int, text: str) -> None:
    """Answer a visitor, who may be gone."""
    with contextlib.suppress(OSError):
        os.write(pipe, text.encode()[:4096])
    os.close(pipe)


def _watch_sizes(pod: Pod) -> int:
    """Start a child that watches the sizes of emptyDirs; return a descriptor with the reason to evict the Pod."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        return reader
    try:
        signal.set_wakeup_fd(-1)
        os.close(reader)
        namespaces.set_process_name("monopod-sizes")
        from monopod.runner.kubelet import size_limits  # noqa: PLC0415  # few Pods need it

        exceeded = size_limits.watch(pod.size_limits)
        if exceeded is not None:
            os.write(writer, size_limits.evicted_for(exceeded).encode())
    finally:
        os._exit(0)


def _child_signals() -> int:
    """Return a descriptor that is readable when a child has ended."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _termination_message(path: str) -> str:
    """Return the content of a container's terminationMessagePath as text, even if the container replaced the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, LONGEST_MESSAGE).decode(errors="replace")
    finally:
        os.close(descriptor)


def _out_of_memory_kills() -> int:
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


def run_sandbox(pod: Pod, channel: socket.socket, *, in_user_namespace: bool) -> None:
    """Run the Pod in this process, which is PID 1 of a PID namespace, until the runner closes the socket."""
    try:
        surroundings, warnings = make_surroundings(pod, in_user_namespace=in_user_namespace)
    except BackendUnavailableError as error:
        with contextlib.suppress(BrokenPipeError):
            messages.send(channel, "unavailable", message=str(error))
        return
    sandbox = Sandbox(surroundings, channel)
    with contextlib.suppress(
        BrokenPipeError, ConnectionResetError
    ):  # the runner is gone; the Pod ends with this process
        messages.send(channel, "ready")
        for warning in warnings:
            messages.send(channel, "warning", message=warning)
        sandbox.run()
