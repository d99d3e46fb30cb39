"""What the sandbox must know to run one Pod: every reference of the manifest resolved, every default filled in.

Rules: standard library only and nothing but data, in named tuples, since the sandbox imports it at every start and a
dataclass takes four times as long to be made. Paths are absolute; that of a `Mount.source` is on this machine, all
others are seen from inside the container.

What is left to others: making one from a manifest (``manifest``), acting on it (``sandbox``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

ContainerKind: TypeAlias = Literal["init", "sidecar", "ordinary"]


class Mount(NamedTuple):
    """A file or directory of this machine that a container sees at ``path``.

    ``sub_path`` is looked up below ``source`` when the container starts, never outside it, and made if it is missing.
    """

    source: str
    path: str
    sub_path: str = ""
    read_only: bool = False
    recursively_read_only: bool = False


class Identity(NamedTuple):
    """Whom a container's processes belong to."""

    user: int = 0
    group: int = 0
    supplementary_groups: tuple[int, ...] = ()


class Container(NamedTuple):
    """One container. ``capabilities`` is its bounding set; ``post_start`` the command of its postStart hook, if any.

    ``reachable`` are directories of this machine whose parents any user may pass in the container's view. ``is_ours``:
    it is of the runtime image, and nobody but monopod asked for its user. ``filters_calls``: it may not make the system
    calls that ``call_filter`` names.
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


class ProjectedFile(NamedTuple):
    """A file of a configMap, secret, downwardAPI or projected volume; ``path`` is relative to the volume."""

    path: str
    data: bytes
    mode: int


class DirectoryVolume(NamedTuple):
    """A directory of this Pod: an emptyDir, or a claim that lives as long as the Pod."""

    path: str


class MemoryVolume(NamedTuple):
    """An emptyDir in memory. ``size`` in bytes; None: as much as the kernel gives a tmpfs."""

    path: str
    size: int | None


class FilesVolume(NamedTuple):
    """A volume whose files are known before the Pod starts. Containers cannot write to it."""

    path: str
    files: tuple[ProjectedFile, ...]


Volume: TypeAlias = DirectoryVolume | MemoryVolume | FilesVolume


class SizeLimit(NamedTuple):
    """How large the emptyDir at ``path`` may be, in bytes, and as its author wrote it."""

    volume: str
    path: str
    size: int
    text: str


class Pod(NamedTuple):
    """One Pod. ``state_directory`` is where it keeps all that it writes; ``containers`` are in the order of starting.

    ``size_limits`` are those that are to be watched, ``open_files`` is the limit on open files that the containers get,
    ``private`` are directories of this machine that no container sees.
    Durations are seconds.
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
