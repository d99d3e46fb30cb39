"""Fixtures of the tests of the compiler's last stages: random Plans with the parts of their Pods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from monopod.compiler.pod.generated_names import container_name, slot_name
from monopod.compiler.pod.parts import ContainerPart, PodParts
from monopod.schemas.plan import Param, Pipeline, Plan, Sidecar, Slot, Step, Task, WhenExpression


def _fields(
    env: list[str], requests: tuple[str, str] | None, has_limits: bool, mount_paths: list[str]
) -> dict[str, Any]:
    limits = {"cpu": "2", "memory": "2Gi", "example.com/device": "1"}
    resources = {
        **({"requests": {"cpu": requests[0], "memory": requests[1]}} if requests else {}),
        **({"limits": limits} if has_limits else {}),
    }
    return {
        "image": "registry.example.com/a/b@sha256:" + "0" * 64,
        **({"env": [{"name": name, "value": "x: 1\n"} for name in env]} if env else {}),
        **({"resources": resources} if resources else {}),
        "volumeMounts": [{"name": "control-a-b", "mountPath": path} for path in mount_paths],
        "securityContext": {"runAsUser": 1000},
    }


FIELDS = [
    _fields(env, requests, has_limits, mount_paths)
    for env in ([], ["A"], ["A", "HOME"])
    for requests in (None, ("100m", "64Mi"), ("0.5", "500M"), ("2", "1e9"), ("1", "123456789"), ("0", "1Gi"))
    for has_limits in (False, True)
    for mount_paths in ([], ["/workspace/source"], ["/workspace"], ["/data", "/tekton/home"])
]


class _Plans:
    """Draws one Plan and its parts."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.slots: set[str] = set()
        self.containers: set[str] = set()
        self.parts: list[ContainerPart] = []

    def pipeline(self, path: tuple[str, ...]) -> Pipeline:
        tasks = [self.task(path, f"t{number}", number) for number in range(self.draw(st.integers(1, 4)))]
        final = [self.task(path, f"f{number}", 0) for number in range(self.draw(st.integers(0, 2)))]
        return Pipeline("-".join(("main", *path)), tasks=tuple(tasks), final_tasks=tuple(final))

    def task(self, path: tuple[str, ...], name: str, earlier: int) -> Task:
        numbers = self.draw(st.sets(st.integers(0, earlier - 1))) if earlier else set()
        after = tuple(f"t{number}" for number in sorted(numbers))
        when = self.draw(st.sampled_from([(), (WhenExpression("$(params.x)", "in", ("a", 'b"]|c')),)]))
        if len(path) < 2 and self.draw(st.integers(0, 4)) == 0:
            return Task(name, after=after, when=when, pipeline=self.pipeline((*path, name)))
        steps = tuple(Step(f"s{number}", script="true") for number in range(self.draw(st.integers(1, 3))))
        sidecars = tuple(Sidecar(Step(f"c{number}")) for number in range(self.draw(st.integers(0, 1))))
        count = self.draw(st.integers(1, 3))
        slots = tuple(
            self.slot((*path, name), number if count > 1 else None, steps, sidecars) for number in range(count)
        )
        return Task(name, name, after=after, when=when, steps=steps, sidecars=sidecars, slots=slots)

    def slot(
        self, path: tuple[str, ...], index: int | None, steps: tuple[Step, ...], sidecars: tuple[Sidecar, ...]
    ) -> Slot:
        slot = slot_name(path, index, self.slots)
        return Slot(
            slot,
            tuple(self.container(slot, step.name, is_sidecar=False) for step in steps),
            tuple(self.container(slot, sidecar.step.name, is_sidecar=True) for sidecar in sidecars),
        )

    def container(self, slot: str, step: str, *, is_sidecar: bool) -> str:
        name = container_name(slot, step, self.containers)
        self.parts.append(
            ContainerPart(name, slot, is_sidecar, self.draw(st.sampled_from(FIELDS)), self.draw(st.booleans()))
        )
        return name


@st.composite
def _plans(draw: st.DrawFn) -> tuple[Plan, PodParts]:
    drawing = _Plans(draw)
    pipeline = drawing.pipeline(())
    parts = PodParts(
        name=draw(st.sampled_from([None, "run-1"])),
        generate_name="run-",
        namespace=draw(st.sampled_from([None, "ci"])),
        labels=draw(st.sampled_from([{}, {"team": "a", "app.kubernetes.io/managed-by": "Helm"}])),
        annotations=draw(st.sampled_from([{}, {"note": "several\nlines: #1\n"}])),
        containers=tuple(drawing.parts),
        volumes=(
            {"name": "control-a-b", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "bin", "configMap": {"name": "b"}},
        ),
        pod_fields=draw(st.sampled_from([{}, {"serviceAccountName": "builder", "nodeSelector": {"disk": "ssd"}}])),
    )
    return Plan(pipeline, {"kind": "PipelineRun"}), parts


@pytest.fixture(scope="session")
def plans() -> st.SearchStrategy[tuple[Plan, PodParts]]:
    """A strategy for a Plan and the parts of its Pod; some volumes have names that monopod uses itself."""
    return _plans()


@pytest.fixture(scope="session")
def chain() -> Any:
    """Makes the Plan and parts of Tasks with one Step each that run one after the other."""

    def make(names: list[str], **fields: Any) -> tuple[Plan, PodParts]:
        tasks = []
        for number, name in enumerate(names):
            after = (names[number - 1],) if number else ()
            step = Step("run", script="echo $(params.x)")
            slot = Slot(name, (f"{name}-run",))
            tasks.append(Task(name, after=after, steps=(step,), slots=(slot,), params=(Param("x", "y"),)))
        parts = tuple(ContainerPart(f"{name}-run", name, False, {"image": "alpine", **fields}, True) for name in names)
        plan = Plan(Pipeline("main", tasks=tuple(tasks)), {"kind": "PipelineRun"})
        return plan, PodParts("run-1", None, None, {}, {}, parts, (), {})

    return make
