"""The state that the compiler's stages share while one run is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from monopod.compiler.caches.store_option import CacheStore
from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.catalog import Catalog, Definition
from monopod.compiler.documents.places import Place
from monopod.compiler.images.image_programs import ImagePrograms
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.pod_template import NO_SETTINGS, PodSettings
from monopod.compiler.pod.security import Profile
from monopod.compiler.scope.run_names import TektonLabels
from monopod.compiler.tasks.grouped_tasks import GroupedTask
from monopod.compiler.tasks.left_out import EVERYTHING, Selection
from monopod.compiler.tasks.port_clashes import PortOfSidecar
from monopod.schemas.tekton.pipelines import PipelineSpec
from monopod.schemas.variables import Budget

MOST_CHARACTERS = 64 * 1024 * 1024
"""How many characters references may expand to in one compilation: forty times the largest Pod."""


class ChoosesStore(Protocol):
    """Chooses where caches are kept (``caches.store_choice``)."""

    def store(self, place: Place) -> CacheStore | None:
        """Return the store for a cache that is written at a place, None for no caching."""

    @property
    def chosen(self) -> CacheStore | None:
        """The store that was chosen, if any."""


@dataclass(frozen=True, slots=True)
class CompilerState:
    """The state that all stages share: the definitions, the draft of the Pod and its ports so far, and the report.

    - `images` looks up the programs of images; `labels` are the Tekton labels that the Pod has.
    - `budget` limits how much text references may expand to.
    - `max_concurrency` limits how many combinations of a matrix run at the same time, unless the Task has a limit.
    - `views` are the private views of Workspaces that the command line asks for.
    - `sources` are the Pipelines and Tasks that are referred to, for the status of the run (`plan.Plan.sources`).
    - `annotations_of_run` are the annotations of a PipelineRun in the files.
    - `cache_store` chooses where the caches of Tasks are kept.
    - `grouped` are the Tasks of the run's own Pipeline, for a run that is cut into groups.
    - `selection` says which Tasks of the Pipeline run.
    - `pod_security` is the profile that the Pod must pass.
    - `keep_volume_claims`: a volumeClaimTemplate becomes a claim of the Pod. `has_cel`: the coordinator may have CEL.
    """

    catalog: Catalog
    draft: PodDraft
    images: ImagePrograms
    report: Report
    labels: TektonLabels
    cache_store: ChoosesStore
    annotations_of_run: Annotations | None = None
    max_concurrency: int | None = None
    keep_volume_claims: bool = False
    has_cel: bool = True
    settings: PodSettings = NO_SETTINGS
    pod_security: Profile | None = None
    views: Mapping[tuple[str, str], str] = field(default_factory=dict)
    selection: Selection = EVERYTHING
    budget: Budget = field(default_factory=partial(Budget, MOST_CHARACTERS))
    ports: list[PortOfSidecar] = field(default_factory=list)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    grouped: list[GroupedTask] = field(default_factory=list)

    def source(self, definition: Definition[Any]) -> str:
        """Keep a definition for the status of the run; return its key, empty if it is embedded."""
        if definition.embedded:
            return ""
        kind = "Pipeline" if isinstance(definition.spec, PipelineSpec) else "Task"
        key = f"{kind}/{definition.identity}"
        if key not in self.sources:
            origin = self.catalog.remote.sources.get(definition.origin)
            self.sources[key] = {
                "spec": definition.spec.to_kubernetes(),
                **({} if origin is None else {"refSource": origin}),
            }
        return key
