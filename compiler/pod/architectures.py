"""The architectures of the nodes that a Pod may run on: it carries an entrypoint for each.

Rules: they are chosen on the command line, or follow the Pod's nodeSelector. Without both they are the usual ones, and
this machine's if the Pod runs here. Names come from Kubernetes (``kubernetes.io/arch``).

Left to others: the entrypoints (``monopod.runtime``), nodeAffinity, which may allow several architectures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.pod.parts import PodPlaces
from monopod.compiler.pod.runtime_command import USUAL_ARCHITECTURES
from monopod.runtime.bootstrap import MACHINES
from monopod.runtime.carried import ARCHITECTURES

_LABEL = "kubernetes.io/arch"


def unknown_architecture(name: str) -> str | None:
    """Return what is wrong with the name of an architecture, as a message; None if it is supported."""
    if name in ARCHITECTURES:
        return None
    known = ", ".join(ARCHITECTURES)
    same_machine = f" (did you mean '{MACHINES[name]}'?)" if name in MACHINES else did_you_mean(name, ARCHITECTURES)
    return f"there is no architecture '{name}'{same_machine}; monopod has an entrypoint for {known}"


def architecture_problems(pod_fields: Mapping[str, Any], chosen: Sequence[str], places: PodPlaces) -> Iterator[Problem]:
    """Yield what is wrong with the nodeSelector, if the architectures `chosen` on the command line are these."""
    selected = _selected(pod_fields)
    if selected is None:
        return
    message = unknown_architecture(selected)
    if message is None and chosen and selected not in chosen:
        message = f"the Pod runs on {selected} nodes only, and --arch is {','.join(chosen)}; add {selected} to --arch"
    if message is not None:
        yield places.field_of_pod("nodeSelector", _LABEL).problem("invalid-value", message)


def architectures_of(pod_fields: Mapping[str, Any], chosen: Sequence[str], *, local: bool) -> tuple[str, ...]:
    """Return the architectures that a Pod is compiled for."""
    if chosen:
        return tuple(chosen)
    if (selected := _selected(pod_fields)) is not None:
        return (selected,)
    here = MACHINES.get(os.uname().machine) if local else None
    return USUAL_ARCHITECTURES if here is None or here in USUAL_ARCHITECTURES else (*USUAL_ARCHITECTURES, here)


def _selected(pod_fields: Mapping[str, Any]) -> str | None:
    selected: str | None = (pod_fields.get("nodeSelector") or {}).get(_LABEL)
    return selected
