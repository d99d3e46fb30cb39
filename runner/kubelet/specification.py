"""The specification of a Pod for the sandbox: all references of the manifest resolved, all defaults filled in.

Rules: only data and only the standard library, in named tuples, since the sandbox imports this module at every start
and defining a dataclass takes four times as long. Paths are absolute. A `Mount.source` is a path on this machine; all
other paths are paths inside the container.

``manifest`` makes a specification from a manifest, and ``sandbox`` runs it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

ContainerKind: TypeAlias = Literal["init", "sidecar", "ordinary"]


class Mount(NamedTuple):
    """A file or directory of this machine that a container sees at ``path``.

    ``sub_path`` is looked up inside ``source`` when the container starts, and created if it is missing.
    """

    source: str
    path: str
    sub_path: str = ""
    read_only: bool = False
    recursively_read_only: bool = False


class Identity(NamedTuple):
    """The user and groups of a container's processes."""

    user: int = 0
    group: int = 0
    supplementary_groups: tuple[int, ...] = ()


class RestartRule(NamedTuple):
    """A rule by which a container is restarted: its exit code is one of ``values``, or (``is_not``) none of them."""

    values: tuple[int, ...]
    is_not: bool = False

    def applies(self, exit_code: int) -> bool:
        """Return whether the rule applies to an exit code."""
        return (exit_code in self.values) != self.is_not


class Container(NamedTuple):
    """One container. ``capabilities`` is its bounding set; ``post_start`` the command of its postStart hook, if any.

    ``reachable`` are directories of this machine whose parents any user may pass in the container's view. ``is_ours``:
    it uses the runtime image, and no author wrote it. ``filters_calls``: it may not make the system calls in
    ``call_filter``. ``restart_rules`` apply to an ordinary container, which is never restarted without them.
    """

    name: str
    image: str
    kind: ContainerKind
    command: tuple[str, ...]
    environment: dict[str, str]
    working_directory: str = "/"
    mounts: tuple[Mount, ...] = ()
    identity: Identity = Identity()
    capabilities: frozenset[int] = frozenset()
    privileged: bool = False
    no_new_privileges: bool = False
    read_only_root: bool = False
    post_start: tuple[str, ...] = ()
    termination_message_path: str = "/dev/termination-log"
    reachable: tuple[str, ...] = ()
    is_ours: bool = False
    filters_calls: bool = True
    restart_rules: tuple[RestartRule, ...] = ()


class ProjectedFile(NamedTuple):
    """A file of a configMap, secret, downwardAPI or projected volume; ``path`` is relative to the volume."""

    path: str
    data: bytes
    mode: int


class DirectoryVolume(NamedTuple):
    """A directory of this Pod: an emptyDir, or an ephemeral volume, which is removed with the Pod."""

    path: str


class MemoryVolume(NamedTuple):
    """An emptyDir in memory. ``size`` is in bytes; None: the kernel's default for a tmpfs."""

    path: str
    size: int | None


class FilesVolume(NamedTuple):
    """A volume whose files are known before the Pod starts. Containers cannot write to it."""

    path: str
    files: tuple[ProjectedFile, ...]


Volume: TypeAlias = DirectoryVolume | MemoryVolume | FilesVolume


class SizeLimit(NamedTuple):
    """The sizeLimit of the emptyDir at ``path``: in bytes, and as its author wrote it."""

    volume: str
    path: str
    size: int
    text: str


class Pod(NamedTuple):
    """One Pod. ``state_directory`` holds everything that it writes; ``containers`` are in the order of starting.

    ``size_limits`` are the sizeLimits to watch, ``open_files`` is the containers' limit on open files, ``private`` are
    directories of this machine that no container sees. Durations are in seconds.
    """

    name: str
    state_directory: str
    hosts_file: str
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...] = ()
    volume_group: int | None = None
    termination_grace: float = 30.0
    active_deadline: float | None = None
    size_limits: tuple[SizeLimit, ...] = ()
    open_files: int | None = None
    private: tuple[str, ...] = ()
