"""Pipelines whose Steps share containers, from Pipelines in which each Step has its own."""

from __future__ import annotations

from simulation import tasks_of

from monopod.compiler.packing.containers import pack
from monopod.compiler.pod.parts import ContainerPart
from monopod.schemas.plan import Pipeline


def parts_of(pipeline: Pipeline, images: int = 1) -> tuple[ContainerPart, ...]:
    """Return containers for all Steps and Sidecars, with so many images among those of Steps.

    Only monopod's own Steps always run; they do not share.
    """
    parts = []
    for task in tasks_of(pipeline):
        for slot in task.slots:
            for number, (name, step) in enumerate(zip(slot.containers, task.steps, strict=True)):
                fields = {"image": f"image-{number % images}"}
                parts.append(ContainerPart(name, slot.name, False, fields, has_script=False, has_runtime=step.always))
            parts += (ContainerPart(name, slot.name, True, {}, has_script=False) for name in slot.sidecars)
    return tuple(parts)


def packed(pipeline: Pipeline, images: int = 1) -> Pipeline:
    """Return the Pipeline with its Steps in as few containers as possible."""
    return pack(pipeline, parts_of(pipeline, images), "true").pipeline
