"""Steps of monopod's own in a Task: some before the author's first Step, some after the last.

Rules:

- They are Steps of the Plan like any other: retries, timeouts, logs, the journal and the slots of a matrix treat them
  alike. The Steps after the last one run only if no Step before them has failed, unless the Plan says otherwise.
- Each runs a module of the coordinator in a container with the coordinator's image and modules, as the user of the
  first Step that mounts one of its volumes (``user_of_steps``), without privileges, on a read-only root file system.
- A name that the author has given to a Step gets a number.
- A volume of the slot (`SlotVolume`) is an emptyDir that each slot has for itself; its name in mounts starts with a
  colon, which no volume of an author can have.

Left to others: which Steps a Task gets (``workspace_digests`` …), what they do (``monopod.coordinator``), the slots
(``slots``).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.documents.places import Place
from monopod.compiler.pod.user_of_steps import SHARED_FILES, security_of_user
from monopod.schemas import plan

REQUESTS = {"cpu": "10m", "memory": "32Mi"}
"""What one of these containers requests."""
_PYTHON = ("python3", "-P", "-S", "-m")


def is_injected(step: plan.Step) -> bool:
    """Return whether a Step of the Plan is one of monopod's own."""
    return step.command[:-1] == _PYTHON and step.command[-1].startswith("monopod.")


@dataclass(frozen=True, slots=True)
class SlotVolume:
    """An emptyDir of each slot: `words` name it in the Pod, after the slot's name. Mounts refer to it as `name`."""

    words: tuple[str, ...]
    place: Place

    @property
    def name(self) -> str:
        """Its name in mounts, until the slot's volume has one."""
        return ":" + ":".join(self.words)


@dataclass(frozen=True, slots=True)
class InjectedStep:
    """A Step that runs a module of the coordinator (``coordinator.…``) with arguments (templates).

    ``mounts`` are core/v1 VolumeMounts, of volumes by their names in the Pod and of `SlotVolume`. ``place`` is where
    the author asked for it. The variable MONOPOD_SLOT has the name of the slot. ``has_artifacts``: it writes Artifacts
    to the file ``$(step.artifacts.path)``. ``results`` are its Results; ``on_error``, ``always`` and
    ``reason_result`` are the Plan's.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    mounts: tuple[Mapping[str, Any], ...]
    place: Place
    has_artifacts: bool = False
    results: tuple[str, ...] = ()
    on_error: str = "stopAndFail"
    always: bool = False
    reason_result: str = ""

    def in_plan(self) -> plan.Step:
        """Return the Step of the Plan."""
        artifacts = f"/tekton/steps/step-{self.name}/artifacts/provenance.json"
        return plan.Step(
            self.name,
            command=(*_PYTHON, f"monopod.{self.module}"),
            args=self.arguments,
            on_error=self.on_error,
            results=tuple(map(plan.ResultDeclaration, self.results)),
            always=self.always,
            reason_result=self.reason_result,
            variables=(("step.artifacts.path", artifacts),) if self.has_artifacts else (),
        )

    def fields(
        self,
        slot: str,
        volumes: Mapping[str, str],
        users: Sequence[Mapping[str, Any]],
        pod_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the fields of its container in a slot.

        `volumes` are the names in the Pod of the volumes of the slot; `users` are the fields of the containers of the
        author's Steps, and then of the Sidecars; `pod_context` is the securityContext of the Pod.
        """
        mounts = [{**mount, "name": volumes.get(mount["name"], mount["name"])} for mount in self.mounts]
        shared = {mount["name"] for mount in mounts}
        sharing = [user for user in users if shared & {mount["name"] for mount in user.get("volumeMounts") or ()}]
        contexts = [user.get("securityContext") or {} for user in sharing or users]
        context, is_shared = security_of_user(contexts[0] if contexts else {}, contexts, pod_context)
        return {
            "env": [{"name": "MONOPOD_SLOT", "value": slot}, *([SHARED_FILES] if is_shared else [])],
            "resources": {"requests": dict(REQUESTS)},
            "securityContext": context,
            "volumeMounts": mounts,
        }


@dataclass(frozen=True, slots=True)
class InjectedSteps:
    """The Steps before the author's first Step and after the last, in order, and the volumes that each slot gets."""

    before: tuple[InjectedStep, ...] = ()
    after: tuple[InjectedStep, ...] = ()
    volumes: tuple[SlotVolume, ...] = ()

    def around(self, inner: InjectedSteps) -> InjectedSteps:
        """Return these Steps with other ones between them and the author's Steps."""
        volumes = (*self.volumes, *inner.volumes)
        return InjectedSteps((*self.before, *inner.before), (*inner.after, *self.after), volumes)

    def named(self, taken: Collection[str]) -> InjectedSteps:
        """Return the Steps with names that differ from `taken` ones."""
        names = set(taken)
        return replace(self, before=tuple(_named(self.before, names)), after=tuple(_named(self.after, names)))


NONE = InjectedSteps()


def _named(steps: Iterable[InjectedStep], taken: set[str]) -> Iterable[InjectedStep]:
    for step in steps:
        candidates = itertools.chain((step.name,), (f"{step.name}-{number}" for number in itertools.count(2)))
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        yield replace(step, name=name)
