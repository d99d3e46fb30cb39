"""Decides where the files of a Pod's volumes are on this machine: volumes to make, and existing directories.

Rules: a volume that needs a cluster is reported as a problem. Secrets are in memory, never on a disk. The only I/O is
for hostPath volumes and claims (``host_volumes``).

``volumes`` makes the volumes; ``container`` and podman mount them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monopod.runner.kubelet import host_volumes, projection
from monopod.runner.kubelet.environment import Manifest, Sources, UnresolvedError
from monopod.runner.kubelet.specification import DirectoryVolume, FilesVolume, MemoryVolume, SizeLimit, Volume

_BOUND = 64 << 20
"""The size of a control directory in bytes: a few requests of at most 16 MiB each."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Pod runs: its own directory, and where claims are kept between runs.

    ``private`` are the directories that no container sees (``private_directories``). With ``keep`` all files must
    outlive the Pod, so no emptyDir is moved into memory.
    """

    state_directory: str
    claims_directory: str
    open_files: int | None = None
    keep: bool = False
    private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files of a volume are, and whether containers may never write to them."""

    path: str
    read_only: bool = False


@dataclass(slots=True)
class Volumes:
    """The volumes of a Pod: the source of each by name, the volumes to make, problems and warnings.

    ``limits`` are the sizeLimits of emptyDirs, in memory or not.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    to_make: list[Volume] = field(default_factory=list)
    limits: list[SizeLimit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def paths(self) -> dict[str, str]:
        """The path of each volume by its name."""
        return {name: source.path for name, source in self.sources.items()}


def read_volumes(
    sources: Sources, place: Place, in_memory: frozenset[str], bounded: frozenset[str] = frozenset()
) -> Volumes:
    """Return the source of each volume of ``sources.pod``; the emptyDirs named in `in_memory` are put into memory.

    An emptyDir that is also in `bounded` has a limit, since memory is shared by the whole machine.
    """
    volumes = Volumes()
    for volume in sources.pod["spec"].get("volumes") or ():
        name = volume["name"]
        kind = next((key for key, value in volume.items() if key != "name" and value is not None), "emptyDir")
        try:
            if kind == "emptyDir" and name in in_memory:
                source = Source(f"{place.state_directory}/memory/volume-{name}")
                path = source.path
                volumes.to_make.append(MemoryVolume(path, _BOUND) if name in bounded else DirectoryVolume(path))
                volumes.limits += _limit(name, volume.get(kind) or {}, path)
            else:
                source = _source(name, kind, volume.get(kind) or {}, (sources, place, volumes))
        except UnresolvedError as error:
            volumes.problems.append(f"volume {name}: {error}")
            source = Source("")
        volumes.sources[name] = source
    return volumes


def _source(name: str, kind: str, source: Manifest, context: tuple[Sources, Place, Volumes]) -> Source:
    sources, place, volumes = context
    path = f"{place.state_directory}/volumes/{name}"
    files_of = {
        "configMap": projection.config_map_files,
        "secret": projection.secret_files,
        "downwardAPI": projection.downward_files,
        "projected": projection.projected_files,
    }
    if kind in files_of:
        path = f"{place.state_directory}/memory/volume-{name}"  # in memory: no Secret is ever on a disk
        volumes.to_make.append(FilesVolume(path, files_of[kind](source, sources)))
        return Source(path, read_only=True)
    if kind == "hostPath":
        if not source.get("type") and host_volumes.is_missing(source["path"]):
            volumes.warnings.append(f"volume {name}: there was no {source['path']}, so it is an empty directory")
        return Source(host_volumes.host_path(source["path"], source.get("type") or ""))
    if kind == "persistentVolumeClaim":
        namespace = sources.pod["metadata"].get("namespace") or "default"
        claim = host_volumes.claim(place.claims_directory, namespace, source["claimName"])
        return Source(claim, read_only=bool(source.get("readOnly")))
    if kind == "emptyDir":
        limits = _limit(name, source, path)
        volumes.limits += limits
        size = limits[0].size if limits else None
        volumes.to_make.append(MemoryVolume(path, size) if source.get("medium") == "Memory" else DirectoryVolume(path))
    elif kind == "ephemeral":
        volumes.to_make.append(DirectoryVolume(path))
    else:
        raise UnresolvedError(f"a {kind} volume needs a cluster; run it with --backend kubernetes")
    return Source(path)


def _limit(name: str, source: Manifest, path: str) -> list[SizeLimit]:
    """Return the sizeLimit of an emptyDir, if it has one; 0 is none."""
    if source.get("sizeLimit") is None:
        return []
    from monopod.schemas.formats.quantity import parse  # noqa: PLC0415  # pydantic takes its time

    text = str(source["sizeLimit"])
    try:
        size = int(parse(text))
    except ValueError as error:
        raise UnresolvedError(f"sizeLimit: {error}") from error
    return [SizeLimit(name, path, size, text)] if size else []
