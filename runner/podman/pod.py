"""Runs one Pod in podman's containers: starts it, follows it, stops it and removes it.

Rules:

- The containers are created together and started one after the other, in the order in which the DAG first needs them.
  So the DAG starts as soon as its first containers run.
- Output is read from the containers' log files, which podman's monitor writes.
- The marks at the end of each request are removed from the logs of a Pod that is kept (``kept_log``).
- A coordinator that is killed, or cannot continue, is restarted, as kubelet does with a native sidecar. It resumes
  where it was.
- A `podman start` or `podman wait` that has ended may have been killed: the containers are inspected before its end is
  acted on.
- Killing the Pod also ends the `podman start` that is still starting containers, and kills the containers that it has
  started in the meantime.
- A separate process (``cleaner``) removes the Pod, so that nothing outlives a runner that is killed. It waits for the
  podman that creates the containers, which would otherwise continue after the removal.

Other modules write the manifest (``manifest``) and call podman (``command``).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import yaml

from monopod.compiler.pod.assembly import COORDINATOR, coordinator_of
from monopod.runner.backend import EVICTED
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.cancellation import CancelSocket
from monopod.runner.follow.file_watch import FileWatch
from monopod.runner.follow.kept_log import true_marks
from monopod.runner.follow.pod_events import (
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodFinished,
    PodWarning,
)
from monopod.runner.kubelet import host_volumes, running_pod, size_limits, state_directory
from monopod.runner.kubelet.admission import admitted, this_machine
from monopod.runner.kubelet.environment import Sources
from monopod.runner.kubelet.pod_names import check_names
from monopod.runner.kubelet.specification import SizeLimit
from monopod.runner.kubelet.state_directory import StateDirectory
from monopod.runner.kubelet.volume_files import volume_files
from monopod.runner.kubelet.volume_sources import Place
from monopod.runner.kubelet.volumes import make_volume
from monopod.runner.podman import cleaner, command, images
from monopod.runner.podman.command import PodmanError
from monopod.runner.podman.log_file import LogFile, take_marks_out, written_lines
from monopod.runner.podman.manifest import Playable, playable
from monopod.runner.podman.monitor import Monitor
from monopod.schemas.formats import exit_codes
from monopod.schemas.formats.words import describe_exit_code
from monopod.schemas.run_events import CANNOT_CONTINUE
from monopod.system.never_started import mark_never_started

if TYPE_CHECKING:
    from monopod.compiler.pod.files_container import ExchangedWorkspace
    from monopod.runner.display.summary import Outcome
    from monopod.system.files.file_transfer import Channel

_ENDED = ("exited", "stopped")
"""podman's names for the state of a container that has ended."""
MOST_RESTARTS = 5
"""How often a coordinator that was killed, or could not continue, is restarted."""

_START_FAILED = re.compile(r'unable to start container "(?P<id>[0-9a-f]+)": (?P<why>.*)')
_MEMORY_DIRECTORY = "/dev/shm"  # noqa: S108  # a directory of ours is made in it


@dataclass(frozen=True, slots=True)
class _Process:
    """A running podman command. ``errors`` is the file with its standard error; ``ended`` is called with the text."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    ended: Callable[[str], None]


class PodmanPod:
    """Runs one Pod in containers.

    ``pod`` is a core/v1 Pod for a cluster without native sidecars; ``config_maps`` and ``secrets`` are the objects that
    it may refer to, by name. ``network`` is the value of ``podman kube play --network``, None for podman's default.
    ``show`` shows a line to the user.
    """

    def __init__(
        self,
        pod: Mapping[str, Any],
        *,
        config_maps: Mapping[str, Mapping[str, Any]],
        secrets: Mapping[str, Mapping[str, Any]],
        network: str | None,
        keep: bool,
        show: Callable[[str], None],
    ) -> None:
        self.manifest = admitted(pod)
        self._sources = Sources(self.manifest, config_maps, secrets, this_machine())
        self._network = network
        self._keep = keep
        self._show = show
        self._state: StateDirectory | None = None
        self._name = ""
        self._cleaner: subprocess.Popen[bytes] | None = None
        self._cleaner_pipe = -1
        self._poll = select.epoll()
        self._watch: FileWatch | None = None
        self._logs: dict[str, LogFile] = {}
        self._monitors: dict[str, Monitor] = {}
        self._ids: dict[str, str] = {}
        self._processes: dict[int, _Process] = {}
        self._starter: subprocess.Popen[bytes] | None = None
        self._lost_waits = 0
        self._control_directories: Mapping[str, str] = {}
        self._volumes: Mapping[str, str] = {}
        self._pending: deque[Event] = deque()
        self._not_started: dict[str, str] = {}
        self._restarts = 0
        self._was_killed = False
        self._sizes: subprocess.Popen[bytes] | None = None
        self._evicted_for = ""
        self._is_finished = False

    def __enter__(self) -> PodmanPod:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take_outcome(self, outcome: Outcome, *, is_reported: bool) -> None:
        """Do nothing: the outcome does not decide what is kept."""

    @property
    def kept(self) -> str:
        """The directory with the files of the Pod, and the name of podman's pod, if they stay."""
        return f"{self.state_directory}, and in podman as the pod {self._name}" if self._keep else ""

    @property
    def state_directory(self) -> str:
        """The directory of the Pod's volumes and logs."""
        assert self._state is not None
        return self._state.path

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to report."""
        return self._poll.fileno()

    def usage(self, containers: Iterable[str]) -> None:
        """Measure nothing: `podman stats` would take longer than a measurement may."""

    def cluster_secrets(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return none: all Secrets come from the files of the run."""
        return [], []

    def logs_command(self, task: str, step: str, container: str) -> None:
        """Return no command: podman keeps the logs of the containers."""

    def cancel_requests(self) -> CancelSocket:
        """Listen to requests of `monopod cancel`, as a context manager."""
        return CancelSocket(self.state_directory)

    def files(self, workspace: ExchangedWorkspace, path: str) -> AbstractContextManager[Channel]:
        """Connect to a sender of the files at a path in a Workspace, after the run."""
        root = os.path.join(self._volumes[workspace.volume], workspace.sub_path)
        return volume_files(root, path, _as_containers_see_users())

    @property
    def kept_volumes(self) -> Mapping[str, str]:
        """The directories in which the volumes stay."""
        return self._volumes if self._keep else {}

    def release_files(self) -> None:
        """Do nothing: the volumes stay until `close`."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod."""
        metadata: Mapping[str, Any] = self.manifest["metadata"]
        return metadata

    # --- start and stop

    def start(self) -> PodmanPod:
        """Start the Pod and return it. Raises PodRefusedError, BackendUnavailableError."""
        check_names(self.manifest)
        command.check()
        provided = images.provide(self.manifest, coordinator_of(self.manifest)["image"], self._show)
        self._state = state_directory.create(self.manifest["metadata"]["name"])
        cleaner.remove_abandoned(os.path.dirname(self.state_directory))
        self._name = os.path.basename(self.state_directory)
        memory = self._memory_directory()
        left = cleaner.Left(self._name, self.state_directory, memory)
        left.write()
        self._start_cleaner(left)
        place = Place(self.state_directory, host_volumes.claims_directory(), keep=self._keep)
        made = playable(self._sources, self._name, provided.images, place)
        self._control_directories, self._volumes = made.control_directories, made.paths
        self._pending += [PodWarning(warning) for warning in made.warnings]
        running_pod.write(self.state_directory, self.manifest, self._control_directories, engine_pod=self._name)
        self._make_volumes(made)
        if made.limits:
            self._watch_sizes(made.limits)
        self._play(made)
        self._pending += self._without_image(provided.missing)
        for container in made.manifest["spec"]["initContainers"]:
            self._run_to_its_end(container["name"])
        names = [container["name"] for container in made.manifest["spec"]["containers"]]
        self._starter = self._spawn(["start", *(self._ids[name] for name in names)], self._all_started)
        return self

    def _without_image(self, missing: Mapping[str, tuple[str, str]]) -> Iterator[Event]:
        """Yield the containers that are left out because their image is missing."""
        for container in self.manifest["spec"]["containers"]:
            if container["image"] in missing:
                yield ContainerNotStarted(container["name"], *missing[container["image"]])

    def _memory_directory(self) -> str:
        """Make the Pod's directory in memory, with a link ``memory`` to it in the state directory."""
        parent = _MEMORY_DIRECTORY if os.access(_MEMORY_DIRECTORY, os.W_OK) else self.state_directory
        path = tempfile.mkdtemp(prefix=f"{self._name}-", dir=parent)
        os.chmod(path, 0o711)  # noqa: S103  # containers run as any user, and each sees only what is bound for it
        os.symlink(path, f"{self.state_directory}/memory")
        return path

    def _start_cleaner(self, left: cleaner.Left) -> None:
        assert self._state is not None
        reader, self._cleaner_pipe = os.pipe2(os.O_CLOEXEC)
        deadline = self.manifest["spec"].get("activeDeadlineSeconds") or 0
        program = [sys.executable, "-P", "-m", cleaner.__name__]
        fields = [str(reader), str(self._state.lock), left.name, left.directory, left.memory, str(deadline)]
        try:
            self._cleaner = subprocess.Popen(
                [*program, *fields],
                pass_fds=(reader, self._state.lock),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the runner's to handle
            )
        finally:
            os.close(reader)

    def _make_volumes(self, made: Playable) -> None:
        os.mkdir(f"{self.state_directory}/volumes")
        try:
            for volume in made.volumes:
                make_volume(volume, made.volume_group)
            for bound in made.manifest["spec"]["volumes"]:
                _make_sub_path(bound["hostPath"]["path"])
        except OSError as error:
            raise BackendUnavailableError(f"cannot make {error.filename}: {error.strerror}") from error

    def _watch_sizes(self, limits: Iterable[SizeLimit]) -> None:
        """Start a process that watches the size of emptyDirs; it ends with this process."""
        fields = [field for limit in limits for field in (limit.volume, limit.path, str(limit.size), limit.text)]
        self._sizes = subprocess.Popen(
            [*_as_containers_see_users(), sys.executable, "-P", "-m", size_limits.__name__, *fields],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the runner's to handle
        )
        assert self._sizes.stdout is not None
        self._poll.register(self._sizes.stdout, select.EPOLLIN)

    def _read_sizes(self, sizes: subprocess.Popen[bytes]) -> None:
        """Read which emptyDir has become too large; nothing, if the watching process has failed."""
        self._sizes = None
        output, _ = sizes.communicate()
        self._evicted_for = output.decode(errors="replace").strip()
        if self._evicted_for:
            self.kill()
        else:
            self._pending.append(PodWarning("cannot measure emptyDirs any more: their sizeLimits are not enforced"))

    def _play(self, made: Playable) -> None:
        assert self._state is not None
        arguments = ["kube", "play", "--quiet", "--start=false", "--log-driver", "k8s-file"]
        if self._network is not None:
            arguments += ["--network", self._network]
        try:
            text = yaml.safe_dump(made.manifest, sort_keys=False)
            command.run(*arguments, "-", text=text, holds=(self._cleaner_pipe, self._state.lock))
            self._find_containers()
        except PodmanError as error:
            raise PodRefusedError([f"podman kube play: {error}"]) from error

    def _find_containers(self) -> None:
        found = command.run("ps", "--all", "--no-trunc", "--filter", f"pod={self._name}", "--format", "{{.ID}}")
        for container in command.inspect("container", found.split()):
            name = str(container["Name"]).removeprefix(f"{self._name}-")
            if container.get("IsInfra"):
                continue
            self._ids[name] = container["Id"]
            path = container["HostConfig"]["LogConfig"]["Path"]
            with open(path, "ab"):
                pass  # podman makes it when the container starts
            self._logs[name] = LogFile(path)
            self._monitors[name] = Monitor(container["ConmonPidFile"])
        self._watch = FileWatch(log.path for log in self._logs.values())
        self._poll.register(self._watch, select.EPOLLIN)

    def _run_to_its_end(self, name: str) -> None:
        """Run an init container. Raises BackendUnavailableError if it cannot be started, or fails."""
        try:
            command.run("start", "--attach", self._ids[name])
        except PodmanError as error:
            hint = "" if self._network is not None else "; if it is the network, try --network host or --network none"
            raise BackendUnavailableError(f"podman cannot start containers: {error}{hint}") from error

    def _spawn(self, arguments: list[str], ended: Callable[[str], None]) -> subprocess.Popen[bytes]:
        """Start podman; `ended` is called with its standard error once it has ended."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `_reap`
        process = subprocess.Popen(
            ["podman", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=self.state_directory,  # podman's monitor leaves a file `oom` where it was started
            start_new_session=True,  # Ctrl-C is the runner's to handle
        )
        descriptor = os.pidfd_open(process.pid)
        self._processes[descriptor] = _Process(process, errors, ended)
        self._poll.register(descriptor, select.EPOLLIN)
        return process

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process of a container, if it runs."""
        self._spawn(["kill", "--signal", str(number), self._ids[container]], lambda _: None)

    def end_unstarted(self) -> None:
        """Do nothing: the images are there, and the coordinator is the first to start."""

    def kill(self) -> None:
        """Kill all containers at once. `events` continues to report events up to `PodFinished`."""
        if self._starter is not None and self._was_killed:
            self._starter.kill()
        elif self._starter is not None:
            self._starter.terminate()  # it ends after the container that it is just starting
        self._was_killed = True

        def kill_all(_: str) -> None:
            self._spawn(["pod", "kill", self._name], lambda _: None)

        # the coordinator first: if it saw the others end, it would start what follows them
        self._spawn(["kill", "--signal", "KILL", self._ids[COORDINATOR]], kill_all)

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Report to the coordinator that a container cannot start, and why."""
        directory = self._control_directories.get(container)
        if directory is not None:
            mark_never_started(directory, reason, message)

    def close(self) -> None:
        """End the Pod if it still runs, and remove it and its files unless it is kept."""
        if self._sizes is not None:
            self._sizes.communicate()
        for running in self._processes.values():
            running.process.kill()
        for descriptor in list(self._processes):
            self._reap(descriptor)
        for log in self._logs.values():
            log.close()
        if self._keep:
            self._take_marks_out()
        self._logs.clear()
        if self._cleaner is not None:
            if self._keep:
                os.write(self._cleaner_pipe, b"k")
            os.close(self._cleaner_pipe)
            self._cleaner.wait()
            self._cleaner = None
        if self._watch is not None:
            self._watch.close()
        self._poll.close()
        if self._state is not None:
            os.close(self._state.lock)
            self._state = None

    def _take_marks_out(self) -> None:
        """Remove the marks of requests from the kept logs. A log that cannot be rewritten stays as it is."""
        if COORDINATOR not in self._logs:
            return
        with contextlib.suppress(OSError):
            marks = true_marks(written_lines(self._logs[COORDINATOR].path))
            for log in self._logs.values():
                take_marks_out(log.path, marks)

    # --- what happens

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Wait at most `timeout` seconds (None: without limit) for something to happen, and yield the events."""
        if not self._pending and not self._is_finished:
            for descriptor, _ in self._poll.poll(timeout):
                if self._watch is not None and descriptor == self._watch.fileno():
                    self._read_some(self._watch)
                elif descriptor in self._processes:
                    self._ended(descriptor)
                elif self._sizes is not None:
                    self._read_sizes(self._sizes)
        while self._pending:
            event = self._pending.popleft()
            self._is_finished = isinstance(event, PodFinished)
            yield event

    def drain(self, container: str, life: int) -> bool:  # noqa: ARG002  # no container has a further life
        """Return whether a container has ended and `events` has yielded all of its output."""
        if container not in self._monitors or not self._monitors[container].has_ended():
            return False
        self._pending += self._read_log(container)
        return not any(isinstance(event, ContainerOutput) and event.container == container for event in self._pending)

    def _read_some(self, watch: FileWatch) -> None:
        """Read a piece of each log. Once all logs are read, wait for new output with the watch."""
        for container in self._logs:
            self._pending += self._read_piece(container)
        if not self._pending:
            watch.clear()
            self._read_logs()  # output that came before `clear`

    def _read_logs(self) -> None:
        for container in self._logs:
            self._pending += self._read_log(container)

    def _read_log(self, container: str) -> Iterator[ContainerOutput]:
        while outputs := self._read_piece(container):
            yield from outputs

    def _read_piece(self, container: str) -> list[ContainerOutput]:
        return [ContainerOutput(container, stream, data) for stream, data in self._logs[container].read()]

    def _ended(self, descriptor: int) -> None:
        running = self._processes[descriptor]
        errors = self._reap(descriptor)
        try:
            running.ended(errors)
        except PodmanError as error:  # somebody has removed the pod, or podman no longer works
            self._pending.append(PodFinished({"phase": "Failed", "message": f"podman cannot find the Pod: {error}"}))

    def _reap(self, descriptor: int) -> str:
        """Wait for a podman command, and return its standard error."""
        running = self._processes.pop(descriptor)
        running.process.wait()
        self._poll.unregister(descriptor)
        os.close(descriptor)
        with running.errors as errors:
            errors.seek(0)
            return errors.read().decode(errors="replace")

    def _all_started(self, errors: str) -> None:
        """Handle the end of `podman start`: report the containers that it could not start, wait for the others."""
        self._starter = None
        reasons = {match["id"]: match["why"] for match in _START_FAILED.finditer(errors)}
        by_id = {identity: name for name, identity in self._ids.items()}
        for inspected in self._inspected():
            name, state = by_id[inspected["Id"]], inspected["State"]
            if state["Status"] in ("created", "configured", "initialized"):
                why = reasons.get(inspected["Id"]) or command.error_message(errors) or "podman does not say why"
                self._not_started[name] = why
                self._report_not_started(name, why)
            else:
                self._see_to_its_entrypoint(name, state)
        if self._was_killed:
            self._spawn(["pod", "kill", self._name], lambda _: self._await_all())
        else:
            self._await_coordinator()

    def _report_not_started(self, name: str, why: str) -> None:
        if not self._was_killed:
            self._pending.append(ContainerNotStarted(name, "StartError", why))

    def _see_to_its_entrypoint(self, name: str, state: Mapping[str, Any]) -> None:
        """Report a container whose entrypoint has ended before it took a request; nothing else would notice."""
        directory = self._control_directories.get(name)
        if directory is None or os.path.lexists(f"{directory}/alive"):
            return
        if state["Status"] in _ENDED:
            ended = describe_exit_code(state["ExitCode"])
            self._report_not_started(name, f"it ended before it could run anything ({ended})")
        else:
            self._spawn(["wait", self._ids[name]], lambda _: self._look_at_its_entrypoint(name))

    def _look_at_its_entrypoint(self, name: str) -> None:
        (each,) = command.inspect("container", [self._ids[name]])
        self._see_to_its_entrypoint(name, each["State"])

    def _inspected(self) -> list[dict[str, Any]]:
        return command.inspect("container", list(self._ids.values()))

    def _await_coordinator(self) -> None:
        if COORDINATOR in self._not_started:
            self._await_all()
        else:
            self._spawn(["wait", self._ids[COORDINATOR]], lambda _: self._coordinator_ended())

    def _coordinator_ended(self) -> None:
        (state,) = (container["State"] for container in command.inspect("container", [self._ids[COORDINATOR]]))
        if state["Status"] not in _ENDED:
            self._wait_again(self._await_coordinator)
            return
        continues = state["ExitCode"] in (exit_codes.KILLED, CANNOT_CONTINUE) and not self._was_killed
        if continues and self._restarts < MOST_RESTARTS:
            self._pending += self._read_log(COORDINATOR)
            self._pending.append(_termination(COORDINATOR, self._restarts, state))
            self._restarts += 1
            self._pending.append(PodWarning(f"{_ending_of_coordinator(state)}; restarting it to resume the run"))
            self._pending.append(ContainerStarted(COORDINATOR, self._restarts, time.time()))
            self._spawn(["start", self._ids[COORDINATOR]], lambda _: self._await_coordinator())
            return
        if state["ExitCode"] not in (0, 1) and not self._was_killed:
            self.kill()  # without a coordinator the other containers would never end
        self._await_all()

    def _wait_again(self, wait: Callable[[], None]) -> None:
        """Wait again: `podman wait` has ended, but the containers have not. Raises PodmanError after a few times."""
        self._lost_waits += 1
        if self._lost_waits > MOST_RESTARTS:
            raise PodmanError("podman wait ends, though the containers have not ended")
        wait()

    def _await_all(self) -> None:
        waited = [identity for name, identity in self._ids.items() if name not in self._not_started]
        self._spawn(["wait", *waited], lambda _: self._finish())

    def _finish(self) -> None:
        """Report how each container has ended, after the last of its output."""
        by_id = {identity: name for name, identity in self._ids.items()}
        inspected = self._inspected()
        started = [container for container in inspected if by_id[container["Id"]] not in self._not_started]
        if any(container["State"]["Status"] not in _ENDED for container in started):
            self._wait_again(self._await_all)
            return
        self._read_logs()
        ordinary = {container["name"] for container in self.manifest["spec"]["containers"]}
        statuses = []
        failed = False
        for container in inspected:
            name, state = by_id[container["Id"]], container["State"]
            if name in self._not_started or name not in ordinary:
                continue
            failed = failed or state["ExitCode"] != 0
            termination = _termination(name, self._restarts if name == COORDINATOR else 0, state)
            self._pending.append(termination)
            terminated = {"exitCode": termination.exit_code, "reason": termination.reason}
            statuses.append({"name": name, "state": {"terminated": terminated}, **_identity(container)})
        phase = "Failed" if failed or self._not_started or self._evicted_for else "Succeeded"
        evicted = {"reason": EVICTED, "message": self._evicted_for} if self._evicted_for else {}
        self._pending.append(PodFinished({"phase": phase, **evicted, "containerStatuses": statuses}))


def _as_containers_see_users() -> list[str]:
    """Return the command that runs another command in podman's user namespace: files may belong to its users."""
    return ["podman", "unshare"] if os.geteuid() else []


def _termination(container: str, restarts: int, state: Mapping[str, Any]) -> ContainerTerminated:
    """Return how a container ended, from the state that podman reports."""
    code = state["ExitCode"]
    reason = "OOMKilled" if state.get("OOMKilled") else "Error" if code else "Completed"
    return ContainerTerminated(container, restarts, code, exit_codes.signal_of(code), reason, "", None, time.time())


def _identity(container: Mapping[str, Any]) -> dict[str, str]:
    """Return which container ran which image, in the form of a ContainerStatus."""
    image, digest = str(container.get("ImageName") or ""), str(container.get("ImageDigest") or "")
    repository = image.partition("@")[0]
    if ":" in repository.rpartition("/")[2]:
        repository = repository.rpartition(":")[0]
    image_id = f"{repository}@{digest}" if repository and digest else f"sha256:{container.get('Image', '')}"
    return {"imageID": image_id, "containerID": f"podman://{container['Id']}"}


def _ending_of_coordinator(state: Mapping[str, Any]) -> str:
    if state["ExitCode"] == CANNOT_CONTINUE:
        return "the coordinator could not continue"
    return f"the coordinator was killed ({'out of memory' if state.get('OOMKilled') else 'SIGKILL'})"


def _make_sub_path(path: str) -> None:
    """Make the directory of a subPath in a volume if it is missing, with the mode of a volume."""
    if os.path.lexists(path):
        return
    _make_sub_path(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
        os.chmod(path, 0o777)  # noqa: S103  # containers run as any user
