"""Follows a Pod in a cluster: the threads, requests and timers for a `PodObservation`.

Rules:

- Threads read the watches and logs (``pod_watch``, ``log_reader``), and make requests. They leave messages in an inbox.
- The thread that follows passes each message to the observation, with the time, and carries out the commands that come
  back. It decides nothing.

``observation`` decides what a message means and what follows from it; ``pod`` creates and removes the Pod.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.files.attempts import CopyError
from monopod.runner.follow.pod_events import Event
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.answers import Request
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import STRATEGIC_MERGE, Cluster, CommandFailedError, UnreachableError
from monopod.runner.kubernetes.commands import (
    CatchUp,
    CloseLog,
    Command,
    ContinueLog,
    CopyFolders,
    Delete,
    EndLog,
    EndLogSoon,
    Execute,
    FollowLog,
    OpenLog,
    ReadLogAgain,
    Report,
    ResizePod,
    RetryLog,
)
from monopod.runner.kubernetes.inbox import Inbox
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE
from monopod.runner.kubernetes.log_reader import LogReader
from monopod.runner.kubernetes.messages import (
    Deleted,
    Executed,
    FilesCopied,
    FilesProgress,
    FolderCopied,
    Message,
    PodSeen,
    ResizeAnswered,
)
from monopod.runner.kubernetes.observation import Now, PodObservation
from monopod.runner.kubernetes.pod_deletion import delete_pod, is_deleted, name_of
from monopod.runner.kubernetes.pod_files import PodFiles
from monopod.runner.kubernetes.pod_identity import PodIdentity
from monopod.runner.kubernetes.pod_watch import EventWatch, PodWatch
from monopod.runner.kubernetes.retrying import patiently
from monopod.runner.run import LONGEST_EVENT
from monopod.schemas.capacity.shares import Requests
from monopod.schemas.capacity.shrinking import Resize
from monopod.schemas.plan import Plan

REQUEST = ("python3", "-P", "-S", "-m", "monopod.coordinator.outside_request")
_EXECUTE_SECONDS = 30.0
"""How long a request to the coordinator is retried."""
_PROGRESS_SECONDS = 0.2
"""How often the progress of a copy is reported."""
_JOIN_SECONDS = 2.0
"""How long `close` waits for a thread, which may be opening a connection."""


@dataclass(frozen=True, slots=True)
class _Tick:
    """A timer of the observation is due."""


class FollowedPod:
    """Follows a Pod, which is known as the cluster returned it, until `close`. It is a `RunningPod`.

    `delete` deletes the Pod, and the Job that would create it again, with a grace period or its own; it raises ApiError
    and UnreachableError. `has_events`: its coordinator writes events, not a log for people. `files` copies folders to
    its Workspaces before the run starts. The other options are options of `PodObservation`.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: Plan,
        pod: dict[str, Any],
        *,
        delete: Callable[[int | None], None] | None = None,
        has_events: bool = True,
        start_timeout: float | None = None,
        reads: Callable[[str], bool] = lambda _: True,
        is_live: bool = True,
        deletes_unheard: bool = False,
        files: PodFiles | None = None,
        shrinkable: Sequence[Requests] = (),
    ) -> None:
        self.name = name_of(pod)
        self._files = files
        self._cluster = cluster
        self._identity = PodIdentity(cluster, self.name, pod["metadata"]["uid"])
        self._delete_pod = delete or (lambda grace: delete_pod(cluster, pod, grace))
        self._inbox: Inbox[Message | _Tick] = Inbox()
        self._pending: deque[Event] = deque()
        self._readers: dict[str, LogReader] = {}
        self._timer: threading.Timer | None = None
        self._timer_at: float | None = None
        self._observation = PodObservation(
            plan,
            pod,
            attach_command=cluster.command("attach", self.name),
            start_timeout=start_timeout,
            reads=reads,
            is_live=is_live,
            deletes_unheard=deletes_unheard,
            has_folders=files is not None,
            shrinkable=shrinkable,
        )
        put = self._inbox.put
        put(PodSeen(pod))  # before a watch can report a later state
        self._watches: list[PodWatch | EventWatch] = (
            [PodWatch(cluster, pod, put), EventWatch(cluster, pod, put)] if is_live else []
        )
        for watch in self._watches:
            watch.start()
        self._carry_out(self._observation.begin(_now(), has_events=has_events))

    @property
    def is_unknown(self) -> bool:
        """Whether it is unknown how the run ended, or whether it has."""
        return self._observation.is_unknown

    @property
    def can_be_kept(self) -> bool:
        """Whether the Pod is there, and nothing requires its deletion."""
        return not (self._observation.is_deleted or self._observation.must_be_deleted)

    @property
    def is_over(self) -> bool:
        """Whether every container of the Pod has ended for good, as far as it was followed."""
        return pod_states.is_over(self._observation.pod)

    @property
    def waits_for_folders(self) -> bool:
        """Whether the run has not started because folders are copied first."""
        return self._observation.waits_for_folders

    def warn(self, text: str) -> None:
        """Report a warning with the next events."""
        self._observation.warn(text)

    def close(self) -> None:
        """Stop following. The Pod keeps running."""
        if self._timer is not None:
            self._timer.cancel()
        if self._files is not None:
            self._files.cut()
        threads: list[PodWatch | EventWatch | LogReader] = [*self._watches, *self._readers.values()]
        for thread in threads:
            thread.close()
        self._inbox.close()
        for thread in threads:
            thread.join(_JOIN_SECONDS)

    # RunningPod

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to yield."""
        return self._inbox.fileno()

    def events(self, timeout: float | None) -> Iterator[Event]:
        """Yield what has happened. Wait up to `timeout` seconds for it (None: without limit)."""
        messages = [] if self._observation.is_finished else self._inbox.take(timeout)
        for message in messages:
            if isinstance(message, _Tick):
                self._timer_at = None
                self._carry_out(self._observation.tick(_now()))
            else:
                self._carry_out(self._observation.handle(message, _now()))
            while self._pending:
                yield self._pending.popleft()

    def drain(self, container: str, life: int) -> bool:
        """Return whether `events` has yielded all output of a container's life, and no more of it will come."""
        return self._observation.is_complete(container, life)

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the coordinator, the only container that gets signals."""
        assert container == COORDINATOR
        self._carry_out(self._observation.signal(number))

    def end_unstarted(self) -> None:
        """Delete the Pod if its coordinator has not started."""
        self._carry_out(self._observation.end_unstarted())

    def kill(self) -> None:
        """Delete the Pod without any grace period, which kills all containers at once."""
        self._carry_out(self._observation.kill())

    def usage(self, containers: Iterable[str]) -> None:
        """Measure nothing: a cluster may have no metrics, and they are a minute old."""

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Report to the coordinator that a container cannot start, and why."""
        self._carry_out(self._observation.declare_dead(container, reason, message))

    # Carrying out

    def _carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Report(event):
                    self._pending.append(event)
                case Execute(arguments):
                    self._in_thread(partial(self._execute, arguments))
                case CopyFolders():
                    self._in_thread(self._copy_folders)
                case ResizePod(resize):
                    self._in_thread(partial(self._resize, resize))
                case Delete(grace):
                    self._in_thread(partial(self._delete, grace))
                case OpenLog(container, restarts):
                    self._open_log(container, restarts)
                case _:
                    self._direct(self._readers[command.container], command)
        self._set_timer()

    def _open_log(self, container: str, restarts: int) -> None:
        longest = LONGEST_EVENT if container == COORDINATOR else LONGEST_PIECE
        put = self._inbox.put_patiently
        self._readers[container] = LogReader(
            self._cluster, self._identity, container, put, longest=longest, restarts=restarts
        )

    def _direct(self, reader: LogReader, command: Command) -> None:
        match command:
            case FollowLog():
                reader.follow()
            case CatchUp():
                reader.catch_up()
            case EndLog(is_over=is_over):
                reader.end(is_over=is_over)
            case ReadLogAgain():
                reader.read_again()
            case EndLogSoon():
                reader.end_soon()
            case ContinueLog():
                reader.restarted()
            case RetryLog():
                reader.try_now()
            case CloseLog():
                reader.close()

    def _set_timer(self) -> None:
        at = self._observation.next_timer()
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, at
        if at is not None:
            self._timer = threading.Timer(max(0.0, at - time.monotonic()), self._inbox.put, [_Tick()])
            self._timer.daemon = True
            self._timer.start()

    def _in_thread(self, work: Callable[[], Message]) -> None:
        threading.Thread(target=lambda: self._inbox.put(work()), daemon=True).start()

    def _execute(self, arguments: tuple[str, ...]) -> Executed:
        """Run a request in the coordinator's container."""
        try:
            patiently(Request.EXEC, lambda: self._execute_once(arguments), _EXECUTE_SECONDS)
        except (ApiError, UnreachableError, CommandFailedError) as error:
            return Executed(arguments, describe(error))
        return Executed(arguments)

    def _execute_once(self, arguments: tuple[str, ...]) -> None:
        if self._identity.is_gone():  # the command might run in another Pod of this name
            raise ApiError(404, "NotFound", "the Pod is gone", kind="pods")
        self._cluster.execute(self.name, COORDINATOR, (*REQUEST, *arguments))

    def _copy_folders(self) -> FilesCopied:
        assert self._files is not None
        last = 0.0

        def report(text: str) -> None:
            nonlocal last
            if time.monotonic() >= last + _PROGRESS_SECONDS:
                last = time.monotonic()
                self._inbox.put(FilesProgress(text))

        try:
            self._files.copy_folders(report, lambda text: self._inbox.put(FolderCopied(text)))
        except CopyError as error:
            return FilesCopied(str(error))
        return FilesCopied()

    def _resize(self, resize: Resize) -> ResizeAnswered:
        body = {"metadata": {"uid": self._identity.uid}, "spec": resize.spec}
        path = f"{self.name.path}/resize"
        try:
            patiently(Request.CHANGE, lambda: self._cluster.request("PATCH", path, (), body, STRATEGIC_MERGE))
        except (ApiError, UnreachableError) as error:
            return ResizeAnswered(resize, describe(error))
        return ResizeAnswered(resize)

    def _delete(self, grace: int | None) -> Deleted:
        try:
            patiently(Request.CHANGE, lambda: self._delete_pod(grace))
        except (ApiError, UnreachableError) as error:
            return Deleted("" if is_deleted(error) else describe(error))
        return Deleted()


def _now() -> Now:
    return Now(time.monotonic(), time.time())
