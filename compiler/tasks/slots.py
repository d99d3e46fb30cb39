"""Slots: the containers in which instances of a Task run, one for each of its Steps and Sidecars.

Rules:

- A Task has one slot. With a matrix it has one for each combination, or fewer for which the combinations queue.
- If a field of the Pod refers to a param of the matrix, the slots are pinned: slot *i* runs only combination *i*.
- The program that an image names belongs to the slot, like the image.
- Steps of monopod's own have a container in the slot as well, before or after the containers of the author's Steps.

Left to others: the combinations (``matrix``), the containers' fields (``steps``), looking up images
(``images``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.compiler.images.image_programs import PodImages, says_what_to_run
from monopod.compiler.packing.choice import PackChoice
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.parts import PlaceOf
from monopod.compiler.scope.references import Names
from monopod.compiler.scope.variables import KNOWN_TOO_LATE, Variables, is_resolved
from monopod.compiler.tasks import steps, workspaces
from monopod.compiler.tasks.injected_steps import NONE, InjectedStep, InjectedSteps
from monopod.compiler.tasks.resolved_steps import ResolvedStep
from monopod.compiler.tasks.workspaces import TaskWorkspace
from monopod.schemas import plan
from monopod.schemas.formats.image_names import image_problem
from monopod.schemas.variables import Scope

if TYPE_CHECKING:
    from monopod.schemas.kubernetes.volumes import Volume

Environment = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TaskParts:
    """The parts of a Task from which its slots are made.

    ``pod_context`` is the securityContext of the Pod, ``pack`` the Task's own choice of packing.
    """

    path: tuple[str, ...]
    steps: Sequence[ResolvedStep]
    sidecars: Sequence[ResolvedStep]
    volumes: Sequence[tuple[Volume, Place]]
    workspaces: Sequence[TaskWorkspace]
    names: Names
    images: PodImages
    injected: InjectedSteps = NONE
    pod_context: Mapping[str, Any] = field(default_factory=dict)
    pack: PackChoice | None = None


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a Task.

    ``environments`` has the variables that are set while running, for each of the author's Steps and then for each
    Sidecar.
    """

    slots: tuple[plan.Slot, ...]
    environments: tuple[Environment, ...]
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class _Content:
    """The contents of one slot, its volumes still under their names in the Task.

    ``programs`` has the program of each container's image.
    """

    volumes: list[dict[str, Any]]
    containers: list[steps.Container]
    programs: list[plan.ImageProgram | None]


def one_slot(parts: TaskParts, values: Scope, draft: PodDraft, report: Report) -> Slots:
    """Return the one slot of a Task without a matrix."""
    content = _content(parts, values, values, draft, report)
    return Slots(
        (_slot(parts, content, None, draft),), tuple(container.environment for container in content.containers)
    )


@dataclass(frozen=True, slots=True)
class Combinations:
    """The values known in the slots of a matrix: `shared` by all and, if each combination has one, of each `slot`."""

    shared: Scope
    slot: Sequence[Scope] | None


def slots_of_matrix(parts: TaskParts, values: Combinations, count: int, draft: PodDraft, report: Report) -> Slots:
    """Return `count` slots, pinned to their combinations if a field of the Pod needs the values of one."""
    of_all = Report()
    content = _content(parts, values.shared, values.shared, draft, of_all)
    pinned = values.slot is not None and any(problem.rule == KNOWN_TOO_LATE for problem in of_all.problems)
    if pinned and values.slot is not None:
        contents = [_content(parts, known, values.shared, draft, report) for known in values.slot]
    else:
        report.extend(of_all.problems)
        contents = [content] * count
    slots = tuple(_slot(parts, content_of_slot, index, draft) for index, content_of_slot in enumerate(contents))
    return Slots(slots, tuple(container.environment for container in content.containers), pinned)


def _content(parts: TaskParts, values: Scope, shared: Scope, draft: PodDraft, report: Report) -> _Content:
    of_task = Variables(parts.names, values, report)
    volumes = [of_task.resolve(volume.to_kubernetes(), place) for volume, place in parts.volumes]
    mountable = frozenset(volume["name"] for volume in volumes)
    mountable |= {workspace.in_pod for workspace in parts.workspaces if workspace.volume}
    mountable |= draft.kept_volumes | {volume.name for volume in parts.injected.volumes}
    listed = frozenset(usage.name for step in (*parts.steps, *parts.sidecars) for usage in step.usages)
    content = _Content(volumes, [], [])
    for step in (*parts.steps, *parts.sidecars):
        variables = Variables(step.names_in_fields, step.values(values), report)
        scope = steps.ContainerScope(variables, step.values(shared), mountable)
        mounts = workspaces.mounts(parts.workspaces, step.usages, listed)
        container = steps.container(step.fields, step.sources, mounts, scope)
        draft.make_room(container.fields)
        container, program = _with_image_program(container, step, variables, parts.images)
        content.containers.append(container)
        content.programs.append(program)
    return content


def _with_image_program(
    container: steps.Container, step: ResolvedStep, variables: Variables, images: PodImages
) -> tuple[steps.Container, plan.ImageProgram | None]:
    """Return the container with the pinned image, and the image's program if the Step or Sidecar has none."""
    image = container.fields.get("image")
    if (
        image is None
        or image_problem(image) is not None  # which is reported
        or step.unresolved
        or says_what_to_run(step, variables.values)
        or not is_resolved(step.fields["image"], variables.values)
    ):
        return container, None
    program_and_image = images.find(step, image, variables.report)
    if program_and_image is None:
        return container, None
    program, name = program_and_image
    return replace(container, fields={**container.fields, "image": name}), program


def _slot(parts: TaskParts, content: _Content, index: int | None, draft: PodDraft) -> plan.Slot:
    """Add a slot's containers and volumes to the draft of the Pod. The containers are in the order of the Steps."""
    name = draft.slot(parts.path, index)
    volumes = {
        volume["name"]: draft.volume((name, volume["name"]), _source(volume), place)
        for volume, (_, place) in zip(content.volumes, parts.volumes, strict=True)
    }
    for own in parts.injected.volumes:
        volumes[own.name] = draft.volume((name, *own.words), {"emptyDir": {}}, own.place)
    of_authors = [container.with_volumes(volumes) for container in content.containers]

    def injected(steps: Iterable[InjectedStep]) -> list[str]:
        return [_injected_container(step, name, step.fields(name, volumes, of_authors, parts.pod_context), draft)
                for step in steps]  # fmt: skip

    before = injected(parts.injected.before)
    containers = tuple(
        draft.container(
            name,
            f"sidecar-{step.name}" if step.is_sidecar else step.name,
            fields,
            step.sources.place,
            is_sidecar=step.is_sidecar,
            has_script=bool(step.fields.get("script")),
            workspaces=container.workspaces,
            pack=parts.pack,
        )
        for step, fields, container in zip((*parts.steps, *parts.sidecars), of_authors, content.containers, strict=True)
    )
    after = injected(parts.injected.after)
    count = len(parts.steps)
    programs: tuple[plan.ImageProgram | None, ...] = ()
    if any(content.programs):
        of_steps, of_sidecars = content.programs[:count], content.programs[count:]
        programs = (*(None for _ in before), *of_steps, *(None for _ in after), *of_sidecars)
    return plan.Slot(name, (*before, *containers[:count], *after), containers[count:], programs)


def _injected_container(step: InjectedStep, slot: str, fields: dict[str, Any], draft: PodDraft) -> str:
    draft.make_room(fields)
    return draft.container(slot, step.name, fields, _always(step.place), has_runtime=True)


def _always(place: Place) -> PlaceOf:
    """Return the place for every field of a container whose fields nobody wrote."""
    return lambda *_: place


def _source(volume: dict[str, Any]) -> dict[str, Any]:
    """Return the source of a volume; a volume without a source is an empty directory (Kubernetes API, Volume)."""
    return {key: value for key, value in volume.items() if key != "name"} or {"emptyDir": {}}
