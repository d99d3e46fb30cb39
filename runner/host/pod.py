"""Runs one Pod on this machine: starts it, follows it, stops it and removes it.

Rules:

- A `HostPod` has no thread, and blocks only in `start`, `events` and `close`.
- It reads the containers' output from their pipes. Logs are written to files only with ``keep`` (``container_log``).
- The Pod ends when this process does, even if it is killed: the sandbox holds the other end of a socket.

``lifecycle`` makes kubelet's decisions, ``sandbox`` carries them out, and ``launcher`` cleans up.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pickle  # read by monopod's own launcher
import resource
import select
import shlex
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.cancellation import CancelSocket
from monopod.runner.follow.kept_log import take_marks_out, true_marks
from monopod.runner.follow.pod_events import (
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodFinished,
    PodWarning,
)
from monopod.runner.follow.usage import ContainerUsage
from monopod.runner.host import enter_sandbox, messages
from monopod.runner.host.bytecode import compile_modules
from monopod.runner.host.container_log import ContainerLog
from monopod.runner.host.lifecycle import Termination
from monopod.runner.host.private_directories import private_directories
from monopod.runner.host.process_state import is_stopped
from monopod.runner.host.status import pod_status
from monopod.runner.host.visits import VisitSocket
from monopod.runner.kubelet import host_volumes, manifest, running_pod, state_directory
from monopod.runner.kubelet.admission import admitted, this_machine
from monopod.runner.kubelet.environment import Sources
from monopod.runner.kubelet.pod_names import check_names
from monopod.runner.kubelet.runtime_image import PACKAGE_DIRECTORY, RUNTIME_FOLDERS, runtime_image, with_runtime_image
from monopod.runner.kubelet.state_directory import StateDirectory
from monopod.runner.kubelet.volume_files import volume_files
from monopod.runner.kubelet.volume_sources import Place
from monopod.system.never_started import LONGEST_MESSAGE

if TYPE_CHECKING:
    from monopod.compiler.pod.files_container import ExchangedWorkspace
    from monopod.runner.display.summary import Outcome
    from monopod.system.files.file_transfer import Channel

_PIECE = 65536
_LARGE_PIPE = 1 << 20
"""The capacity of a pipe from a container that writes fast, so that it does not wait while its output is shown."""
_READY_SECONDS = 60.0
"""How long the sandbox may take to be ready: it accesses all file systems of this machine, and one may hang."""
_CLEANUP_SECONDS = 10.0
"""How long the launcher may take to end if the Pod was abandoned, or if the launcher is stopped (SIGSTOP)."""
_DESCRIPTORS_PER_CONTAINER = 3
_SPARE_DESCRIPTORS = 64


@dataclass(slots=True)
class _Stream:
    """One pipe from a container, and the log that its output goes to."""

    container: str
    name: Literal["stdout", "stderr"]
    log: ContainerLog
    is_large: bool = False


class HostPod:
    """Runs one Pod on this machine.

    ``pod`` is a core/v1 Pod; ``config_maps`` and ``secrets`` are the objects that it may refer to, by name.
    ``runtime_image_name`` is the image whose ENTRYPOINT is the coordinator, ``entrypoint_binary`` the path of the
    entrypoint that it holds. With ``keep`` the state directory stays when the Pod is closed.

    Use it as a context manager, or call `close`. Like a file it has a `fileno`, which is readable when `events` has
    something to report.
    """

    def __init__(
        self,
        pod: Mapping[str, Any],
        *,
        runtime_image_name: str,
        entrypoint_binary: str,
        config_maps: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, Mapping[str, Any]] | None = None,
        keep: bool = False,
    ) -> None:
        self.manifest = admitted(pod)
        self.keep = keep
        run = with_runtime_image(self.manifest, runtime_image_name)
        self._sources = Sources(run, config_maps or {}, secrets or {}, this_machine())
        self._runtime_image_name = runtime_image_name
        self._entrypoint_binary = entrypoint_binary
        self._policies = manifest.termination_policies(self.manifest)
        self._state: StateDirectory | None = None
        self._visits: VisitSocket | None = None
        self._launcher: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._poll = select.epoll()
        self._streams: dict[int, _Stream] = {}
        self._logs: dict[str, ContainerLog] = {}
        self._volumes: dict[str, str] = {}
        self._statuses: dict[str, dict[str, Any]] = {}
        self._messages_from_logs: dict[str, str] = {}
        self._first_processes: dict[str, int] = {}  # in the Pod's PID namespace
        self._pending: deque[Event] = deque()
        self._ended_lives: dict[str, int] = {}  # how many lives of a container have ended, and their output was read
        self._started_at = 0.0
        self._finished: PodFinished | None = None
        self._full = False
        self._is_killed = self._is_given_up = False

    def __enter__(self) -> HostPod:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state_directory(self) -> str:
        """The directory of the Pod's volumes and logs. It exists from `start` to `close`, and longer with ``keep``."""
        assert self._state is not None
        return self._state.path

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod."""
        metadata: Mapping[str, Any] = self.manifest["metadata"]
        return metadata

    @property
    def is_finished(self) -> bool:
        """Whether `PodFinished` was reported."""
        return self._finished is not None

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to report."""
        return self._poll.fileno()

    # --- start and stop

    def start(self) -> HostPod:
        """Start the Pod and return it. Raises PodRefusedError, BackendUnavailableError."""
        check_names(self.manifest)
        self._state = state_directory.create(self.manifest["metadata"]["name"])
        soft_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        private = private_directories(os.path.dirname(self._state.path))
        runtime = runtime_image(self._runtime_image_name, self._entrypoint_binary, private)
        place = Place(self._state.path, host_volumes.claims_directory(), soft_limit, self.keep, private)
        pod, warnings, self._volumes = manifest.read_pod(self._sources, runtime, place)
        self._pending += [PodWarning(warning) for warning in warnings]
        _allow_open_files(len(pod.containers), soft_limit)
        for folder in RUNTIME_FOLDERS:
            compile_modules(os.path.join(PACKAGE_DIRECTORY, folder))
        os.mkdir(f"{self._state.path}/logs")
        self._started_at = time.time()
        control = {
            container.name: mount.source
            for container in pod.containers
            for mount in container.mounts
            if mount.path == running_pod.CONTROL_DIRECTORY
        }
        self._visits = VisitSocket(self._state.path)
        self._poll.register(self._visits, select.EPOLLIN)
        self._launch(pickle.dumps((pod, self.keep)))
        self._await_ready()
        launcher = self._launcher.pid if self._launcher else 0
        try:
            running_pod.write(self._state.path, self.manifest, control, launcher=launcher)
        except OSError as error:  # the Pod has started; only other commands miss the file
            self._pending.append(PodWarning(f"monopod shell cannot find this run: {error.strerror}"))
        return self

    def _launch(self, pod: bytes) -> None:
        assert self._state is not None
        self._channel, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        file = os.memfd_create("pod")
        try:
            with os.fdopen(os.dup(file), "wb") as writer:
                writer.write(pod)
            os.lseek(file, 0, os.SEEK_SET)
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
            descriptors = (other_end.fileno(), file, self._state.lock)
            self._launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", script, *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ),  # a copy: another thread may change the environment during vfork and exec
                start_new_session=True,  # Ctrl-C is the runner's to handle
            )
        finally:
            other_end.close()
            os.close(file)

    def _await_ready(self) -> None:
        assert self._channel is not None
        self._channel.settimeout(_READY_SECONDS)
        try:
            received = messages.receive(self._channel)
        except TimeoutError:
            self._give_up()
            why = f"the sandbox was not ready after {_READY_SECONDS:g} seconds: a file system of this machine may hang"
            raise BackendUnavailableError(why) from None
        message = received[0] if received else {"type": "unavailable", "message": "the sandbox ended at its start"}
        if message["type"] == "unavailable":
            text = f"{message['message']}{_hint()}; use --backend podman or --backend kubernetes instead"
            raise BackendUnavailableError(text)
        self._channel.setblocking(False)
        self._poll.register(self._channel, select.EPOLLIN)

    def terminate(self, grace: float | None = None) -> None:
        """Stop the Pod as deleting it would: SIGTERM, and SIGKILL after `grace` seconds (None: the Pod's own).

        `events` continues to report events up to `PodFinished`.
        """
        self._say("terminate", grace=grace)

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process of a container, if it runs."""
        self._say("signal", container=container, number=number)

    def end_unstarted(self) -> None:
        """Do nothing: the coordinator starts at once."""

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Report to the coordinator that a container cannot start, and why."""
        self._say("never_started", container=container, reason=reason, message=message[:LONGEST_MESSAGE])

    def usage(self, containers: Iterable[str]) -> dict[str, ContainerUsage]:
        """Return the CPU and memory that the running ones of these containers use."""
        from monopod.runner.host.usage import container_usage  # noqa: PLC0415  # psutil, where somebody looks

        if self._launcher is None or self.is_finished:
            return {}
        return container_usage(self._launcher.pid, self._first_processes, containers)

    def cluster_secrets(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return none: all Secrets come from the files of the run."""
        return [], []

    def logs_command(self, task: str, step: str, container: str) -> str | None:  # noqa: ARG002
        """Return the command that shows a container's log, if it is kept."""
        log = f"{self.state_directory}/logs/{container}-0.log"
        return shlex.join(["less", log]) if self.keep and os.path.isfile(log) else None

    def cancel_requests(self) -> CancelSocket:
        """Listen to requests of `monopod cancel`, as a context manager."""
        return CancelSocket(self.state_directory)

    def files(self, workspace: ExchangedWorkspace, path: str) -> AbstractContextManager[Channel]:
        """Connect to a sender of the files at a path in a Workspace, after the run."""
        return volume_files(
            os.path.join(self._volumes[workspace.volume], workspace.sub_path), path, self._inside_sandbox()
        )

    @property
    def kept_volumes(self) -> Mapping[str, str]:
        """The directories in which the volumes stay."""
        return self._volumes if self.keep else {}

    def release_files(self) -> None:
        """Do nothing: the volumes stay until `close`."""

    def _inside_sandbox(self) -> list[str]:
        """Return the command that runs another command with the volumes of the Pod."""
        from monopod.runner.host.usage import sandbox_of  # noqa: PLC0415  # psutil, where somebody needs it

        assert self._launcher is not None
        sandbox = sandbox_of(self._launcher.pid)
        if sandbox is None:  # it was killed; volumes in memory are gone
            return []
        return [sys.executable, "-P", "-m", enter_sandbox.__name__, str(sandbox)]

    def take_outcome(self, outcome: Outcome, *, is_reported: bool) -> None:
        """Do nothing: the outcome does not decide what is kept."""

    @property
    def kept(self) -> str:
        """The state directory, if it stays."""
        return self.state_directory if self.keep else ""

    def _pass_visits_on(self, visits: VisitSocket) -> None:
        """Let the sandbox run what somebody wants to run in a container."""
        for container, command, descriptors in visits.requests():
            self._say("visit", descriptors, container=container, command=command)
            for descriptor in descriptors:
                os.close(descriptor)

    def _say(self, kind: str, descriptors: tuple[int, ...] = (), **fields: Any) -> None:
        if self._channel is not None and not self.is_finished:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # if it is gone, `events` reports that
                messages.send(self._channel, kind, descriptors, **fields)

    def kill(self) -> None:
        """Kill all containers at once. `events` continues to report events up to `PodFinished`.

        A second call abandons the Pod: `events` reports its end without waiting for the sandbox.
        """
        if self._is_killed:
            self._give_up()
        self._is_killed = True
        self.terminate(0)

    def _give_up(self) -> None:
        """Close the socket, which ends the sandbox unless it is stopped or waits for a file system."""
        if self._channel is not None and not self.is_finished:
            self._is_given_up = True
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the Pod if it still runs, and remove its files; with ``keep`` the state directory stays."""
        if self._state is not None and self.keep and os.path.isdir(self._state.path):
            with contextlib.suppress(OSError):  # a disk without room: the run has ended all the same
                self._write_pod()
            self._take_marks_out(f"{self._state.path}/logs")
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._launcher is not None:
            self._wait_for(self._launcher)
        for descriptor in self._streams:
            os.close(descriptor)
        for log in self._logs.values():
            log.close()
        self._streams.clear()
        self._logs.clear()
        if self._visits is not None:
            self._visits.close()
        self._poll.close()
        if self._state is not None:
            if self._launcher is None:
                state_directory.discard(self._state.path)
            os.close(self._state.lock)
            self._state = None

    def _wait_for(self, launcher: subprocess.Popen[bytes]) -> None:
        """Wait until the launcher has cleaned up, which may take long.

        Kill it if the Pod was abandoned, or if somebody has stopped the launcher (SIGSTOP). The sandbox dies with it,
        and the next run cleans up.
        """
        if launcher.poll() is not None:
            return
        descriptor = os.pidfd_open(launcher.pid)  # `wait` with a timeout would sleep and look again and again
        try:
            end = select.poll()
            end.register(descriptor, select.POLLIN)
            while not end.poll(_CLEANUP_SECONDS * 1000):
                if self._is_given_up or is_stopped(launcher.pid):
                    launcher.kill()
        finally:
            os.close(descriptor)
        launcher.wait()

    def _take_marks_out(self, directory: str) -> None:
        """Remove the marks of requests from the kept logs. A log that cannot be rewritten stays as it is."""
        ours = manifest.containers_of_image(self._sources.pod, self._runtime_image_name)
        with contextlib.suppress(OSError):
            names = os.listdir(directory)
            lines = _lines(f"{directory}/{name}" for name in names if name.rpartition("-")[0] in ours)
            marks = true_marks(lines)
            for name in names:
                take_marks_out(f"{directory}/{name}", marks)

    def _write_pod(self) -> None:
        pod = {**self.manifest, "status": self._status("Unknown") if self._finished is None else self._finished.status}
        with open(f"{self.state_directory}/pod.json", "w", encoding="utf-8") as file:
            json.dump(pod, file, indent=2)
            file.write("\n")

    # --- what happens

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Wait at most `timeout` seconds (None: without limit) for something to happen, and yield the events."""
        if self.is_finished:
            return
        if not self._pending:
            ready = [descriptor for descriptor, _ in self._poll.poll(timeout)]
            if self._visits is not None and self._visits.fileno() in ready:
                ready.remove(self._visits.fileno())
                self._pass_visits_on(self._visits)
            if self._channel is not None and self._channel.fileno() in ready:
                self._read_channel()  # first, so that the start of a container comes before its output
            for descriptor in ready:
                self._read_pipe(descriptor)
        while self._pending:
            event = self._pending.popleft()
            if isinstance(event, PodFinished):
                self._finished = event
            yield event

    def drain(self, container: str, life: int) -> bool:
        """Return whether a life of a container has ended and `events` has yielded all of its output."""
        has_ended = self._ended_lives.get(container, 0) >= life
        return has_ended and not any(map(_is_output_of(container), self._pending))

    def _streams_of(self, container: str) -> list[int]:
        return [descriptor for descriptor, stream in self._streams.items() if stream.container == container]

    def _read_pipe(self, descriptor: int) -> None:
        """Read what a pipe has, at most as much as it can hold. Enlarge it if the container writes fast."""
        for _ in range(_LARGE_PIPE // _PIECE):
            if descriptor not in self._streams or not (read := self._read_stream(descriptor)):
                return
            self._pending += read
            if len(read[0].data) < _PIECE // 2:
                return
            stream = self._streams[descriptor]
            if not stream.is_large:
                stream.is_large = True
                with contextlib.suppress(OSError):  # the user has too many large pipes
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)

    def _read_stream(self, descriptor: int) -> list[ContainerOutput]:
        stream = self._streams[descriptor]
        try:
            data = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return []
        if not data:
            self._close_stream(descriptor)
            return []
        self._log(stream, data)
        return [ContainerOutput(stream.container, stream.name, data)]

    def _log(self, stream: _Stream, data: bytes) -> None:
        """Write to the log of a container. If that fails, stop keeping logs instead of failing the run."""
        try:
            stream.log.write(data)
        except OSError as error:
            for log in self._logs.values():
                log.close()
            self._full = True
            where = self._state.path if self._state else ""
            self._pending.append(PodWarning(f"{where}: logs are no longer kept: {error.strerror}"))

    def _close_stream(self, descriptor: int) -> None:
        del self._streams[descriptor]
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def _read_channel(self) -> None:
        """Handle all messages that the sandbox has sent."""
        assert self._channel is not None
        while self._channel is not None:
            try:
                received = messages.receive(self._channel)
            except BlockingIOError:
                return
            if received is None:
                self._sandbox_lost()
            else:
                self._take(*received)

    def _sandbox_lost(self) -> None:
        """Handle the death of the sandbox before the Pod had finished: all containers are dead too."""
        assert self._channel is not None
        self._poll.unregister(self._channel)
        self._channel.close()
        self._channel = None
        if not any(isinstance(event, PodFinished) for event in self._pending):
            for container in self._logs:
                self._pending += self._rest_of(container)
            status = self._status("Failed", message="the Pod's sandbox was killed")
            self._pending.append(PodFinished(status))

    def _take(self, message: dict[str, Any], descriptors: list[int]) -> None:
        match message["type"]:
            case "created":
                self._first_processes[message["container"]] = message["process"]
                self._add_streams(message["container"], message["restart_count"], descriptors)
            case "started":
                self._pending.append(ContainerStarted(message["container"], message["restart_count"], message["at"]))
            case "terminated":
                termination = Termination(*message["termination"])
                self._terminated(message["container"], message["restart_count"], termination)
            case "changed":
                self._changed(message["status"])
            case "warning":
                self._pending.append(PodWarning(message["message"]))
            case "finished":
                status = self._status(message["phase"], message["reason"], message["message"])
                self._pending.append(PodFinished(status))

    def _add_streams(self, container: str, restart_count: int, descriptors: list[int]) -> None:
        if container in self._logs:
            self._logs[container].close()
        path = f"{self.state_directory}/logs/{container}-{restart_count}.log"
        log = self._logs[container] = ContainerLog(path if self.keep and not self._full else None)
        for descriptor, name in zip(descriptors, ("stdout", "stderr"), strict=True):
            os.set_blocking(descriptor, False)
            self._streams[descriptor] = _Stream(container, "stdout" if name == "stdout" else "stderr", log)
            self._poll.register(descriptor, select.EPOLLIN)

    def _terminated(self, container: str, restart_count: int, termination: Termination) -> None:
        self._pending += self._rest_of(container)
        self._ended_lives[container] = restart_count + 1
        message = termination.message
        is_from_log = self._policies[container] == "FallbackToLogsOnError" and container in self._logs
        if termination.exit_code and not message and is_from_log:
            message = self._messages_from_logs[container] = self._logs[container].end()
        self._pending.append(
            ContainerTerminated(
                container,
                restart_count,
                termination.exit_code,
                termination.signal,
                termination.reason,
                message,
                termination.started_at,
                termination.finished_at,
            )
        )

    def _changed(self, status: dict[str, Any]) -> None:
        name = status["name"]
        terminated = status["state"].get("terminated")
        if terminated is not None and name in self._messages_from_logs and "message" not in terminated:
            terminated["message"] = self._messages_from_logs[name]
        self._statuses[name] = status

    def _rest_of(self, container: str) -> list[ContainerOutput]:
        """Return the rest of a dead container's output, and close its pipes."""
        output = []
        for descriptor in self._streams_of(container):
            while descriptor in self._streams and (read := self._read_stream(descriptor)):
                output += read
            if descriptor in self._streams:  # a process outside the container holds the other end
                self._close_stream(descriptor)
        return output

    def _status(self, phase: str, reason: str = "", message: str = "") -> dict[str, Any]:
        return pod_status(
            self.manifest,
            self._statuses,
            phase=phase,
            reason=reason,
            message=message,
            started_at=self._started_at,
            address=self._sources.machine.address,
        )


def _lines(paths: Iterable[str]) -> Iterator[bytes]:
    for path in paths:
        with open(path, "rb") as file:
            yield from file


def _is_output_of(container: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, ContainerOutput) and event.container == container


def _allow_open_files(containers: int, soft_limit: int) -> None:
    """Raise this process's limit on open files to what the containers need. Raises BackendUnavailableError."""
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    open_now = len(os.listdir("/proc/self/fd"))
    needed = open_now + containers * _DESCRIPTORS_PER_CONTAINER + _SPARE_DESCRIPTORS
    if soft_limit == resource.RLIM_INFINITY or soft_limit >= needed:
        return
    if hard_limit != resource.RLIM_INFINITY and hard_limit < needed:
        raise BackendUnavailableError(
            f"{containers} containers need {needed} open files, and this process may have {hard_limit} (ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard_limit))


def _hint() -> str:
    """Return the kernel setting that forbids user namespaces, "" if there is none."""
    for path, forbidding in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
    ):
        try:
            with open(f"/proc/sys/{path}", encoding="ascii") as file:
                value = file.read().strip()
        except OSError:
            continue
        if value == forbidding:
            return f" (sysctl {path.replace('/', '.')} is {value})"
    return ""
