"""The options of the compiler: what the command line says beside the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from monopod.compiler.caches.store_option import CacheStore
from monopod.compiler.packing.choice import PackChoice
from monopod.compiler.pod.assembly import LogFormat
from monopod.compiler.pod.kube_version import DEFAULT, KubeVersion
from monopod.compiler.pod.runtime_command import PYTHON_IMAGE
from monopod.compiler.pod.security import Profile
from monopod.compiler.pod.workload import A_POD, Workload
from monopod.compiler.remote.local.sources import LocalSources
from monopod.compiler.tasks.artifact_tasks import ArtifactRepository, CarriedWorkspaces
from monopod.compiler.tasks.breakpoints import NO_BREAKPOINTS, Breakpoints
from monopod.compiler.tasks.left_out import EVERYTHING, Selection

if TYPE_CHECKING:
    from monopod.compiler.documents.param_files import FileParam

Shrinker: TypeAlias = Literal["runner", "coordinator"]
Folders: TypeAlias = Literal["mounted", "copied", "refused"]
"""What becomes of a folder of this machine that ``-w`` binds: a hostPath, a volume for a copy of it, or an error."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to compile.

    What to run:

    - ``params`` and ``workspaces`` are as on the command line. ``param_files`` are the params among them that are from
      a file, by name. ``name`` chooses one of several runs.
    - ``timeout``, in seconds, is the limit of the whole run. ``selection`` says which Tasks of the Pipeline run, and
      ``breakpoints`` where they are held.
    - ``hands_over`` is what the Pod hands over to the Pods of other groups (`Plan.hands_over`), and ``carried`` are the
      Workspaces that it restores from and saves to the artifacts of the run.
    - ``namespace`` is where the Pod is created. Without it, and without one in the files, ``default_namespace`` is, if
      that is known.
    - ``new_name`` makes a name from a generateName. Without it the run gets its name with the Pod.
    - ``unknown_params``: a param without a value is not an error but unknown, for a Plan that is only displayed.

    What to write:

    - ``views`` are private views of Workspaces: the path of the Task, its own name of the Workspace, and the policy.
    - ``max_parallel`` limits how many TaskRuns run at the same time.
    - ``max_concurrency`` limits how many combinations of a matrix run at the same time, unless the Task has a limit.
    - ``pack`` lets Steps share containers, or forbids it, unless their Task says something else.
    - ``shrinks``: who lowers the requests of the Pod while it runs, if anybody does.
    - ``keep_volume_claims``: a ``volumeClaimTemplate`` becomes a claim of the Pod instead of an emptyDir.
    - ``kube_version`` is the version of the cluster, ``workload`` the object around the Pod.
    - ``pod_security`` is the profile that the Pod must pass, ``limit_ranges`` are LimitRanges of its namespace beside
      those in the files.
    - ``runtime_image`` is the image of the coordinator, by default a stock Python image. ``architectures`` are
      the nodes' architectures, as Kubernetes names them; by default they follow the Pod's nodeSelector.
    - ``cache_store`` keeps the caches of Tasks; ``default_cache_store`` does if the run and its Pipeline name none.
      ``free_claim`` returns the first of some claims in a namespace that no Pod uses.
    - ``artifact_repository`` keeps the Workspaces that cross from group to group.
    - ``local``: the Pod runs on this machine, which must have the objects and paths that it needs. ``uses_images``:
      images are used, unlike on the host backend.
    - ``folders``: what becomes of the folders that ``workspaces`` name. ``fetched`` are the Workspaces from which files
      are copied back after the run.

    Where to look things up: ``context`` is kubectl's, for what is fetched from a cluster; ``image_configs`` are files
    with the configurations of images; ``sources`` are the directories that references are read from.
    """

    params: tuple[tuple[str, str], ...] = ()
    param_files: Mapping[str, FileParam] = field(default_factory=dict)
    workspaces: tuple[tuple[str, str], ...] = ()
    name: str | None = None
    namespace: str | None = None
    views: tuple[tuple[str, str, str], ...] = ()
    max_concurrency: int | None = None
    max_parallel: int | None = None
    pack: PackChoice | None = None
    shrinks: Shrinker | None = None
    keep_volume_claims: bool = False
    timeout: float | None = None
    runtime_image: str | None = None
    architectures: tuple[str, ...] = ()
    log_format: LogFormat = "human"
    kube_version: KubeVersion = DEFAULT
    context: str | None = None
    image_configs: tuple[str, ...] = ()
    sources: LocalSources = field(default_factory=LocalSources)
    workload: Workload = A_POD
    pod_security: Profile | None = None
    limit_ranges: tuple[dict[str, Any], ...] = ()
    unknown_params: bool = False
    local: bool = False
    cache_store: CacheStore | None = None
    default_cache_store: CacheStore | None = None
    free_claim: Callable[[str | None, Sequence[str]], str | None] | None = None
    folders: Folders = "refused"
    fetched: tuple[str, ...] = ()
    uses_images: bool = True
    selection: Selection = EVERYTHING
    breakpoints: Breakpoints = NO_BREAKPOINTS
    hands_over: tuple[str, ...] = ()
    carried: CarriedWorkspaces | None = None
    artifact_repository: ArtifactRepository | None = None
    new_name: Callable[[str], str] | None = None
    default_namespace: str | None = None

    @property
    def coordinator_image(self) -> str:
        """The image of the coordinator."""
        return self.runtime_image or PYTHON_IMAGE

    @property
    def has_cel(self) -> bool:
        """Whether the coordinator may be able to evaluate CEL: the default image cannot."""
        return self.runtime_image is not None or not self.uses_images

    @property
    def pod_has_name_of_run(self) -> bool:
        """Whether the Pod gets the name of the run; the Pods of a Job get names from the cluster."""
        return self.workload.kind == "Pod"
