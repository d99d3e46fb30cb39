"""A container as in Kubernetes, in another system's document, which becomes a Step."""

from __future__ import annotations

from typing import Annotated, Any

from monopod.schemas.foreign.support import NoEffect, Refused
from monopod.schemas.kubernetes.containers import (
    EnvFromSource,
    EnvVar,
    ResourceRequirements,
    SecurityContext,
    VolumeDevice,
    VolumeMount,
)
from monopod.schemas.model import ListOf, Model

_PORTS = NoEffect("all containers of the Pod share one network, and a port needs no declaration")
_PROBE = Refused("a Step starts when it is its turn and runs to its end; leave the probe out")
_LIFECYCLE = Refused("a Step runs to its end; put the commands into it or into a container before or after it")
_MESSAGE = NoEffect("monopod reports how a Step ended by itself")
_TERMINAL = Refused("a Step has no terminal to talk to; leave it out")
_RESTART = Refused("a Step runs once for each attempt; use retries")


class Container(Model):
    """A container that becomes a Step."""

    name: str = ""
    image: str = ""
    command: ListOf[str] = ()
    args: ListOf[str] = ()
    working_dir: str = ""
    env_from: ListOf[EnvFromSource] = ()
    env: ListOf[EnvVar] = ()
    resources: ResourceRequirements | None = None
    volume_mounts: ListOf[VolumeMount] = ()
    volume_devices: ListOf[VolumeDevice] = ()
    image_pull_policy: str | None = None
    security_context: SecurityContext | None = None
    ports: Annotated[Any, _PORTS] = None
    liveness_probe: Annotated[Any, _PROBE] = None
    readiness_probe: Annotated[Any, _PROBE] = None
    startup_probe: Annotated[Any, _PROBE] = None
    lifecycle: Annotated[Any, _LIFECYCLE] = None
    termination_message_path: Annotated[Any, _MESSAGE] = None
    termination_message_policy: Annotated[Any, _MESSAGE] = None
    stdin: Annotated[Any, _TERMINAL] = None
    stdin_once: Annotated[Any, _TERMINAL] = None
    tty: Annotated[Any, _TERMINAL] = None
    resize_policy: Annotated[Any, NoEffect("a Step keeps its resources while it runs")] = None
    restart_policy: Annotated[Any, _RESTART] = None
    restart_policy_rules: Annotated[Any, _RESTART] = None
