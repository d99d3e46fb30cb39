"""The backend ``host``: runs compiled Pods on this machine without a container engine (docs/host-backend.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monopod.entrypoint import binary
from monopod.runner.host.pod import HostPod
from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation


NOTICE = "The host backend does not use images: Steps run with this machine's programs."


class HostBackend:
    """Runs Pods as processes on this machine."""

    name = "host"
    context = ""

    def __init__(self, notice: str = NOTICE) -> None:
        self.notice = notice

    def pod(self, compilation: Compilation, *, keep: bool) -> HostPod:
        """Return the Pod of a compiled run, not yet started."""
        return HostPod(
            compilation.pod,
            runtime_image_name=RUNTIME_IMAGE,
            entrypoint_binary=str(binary.path()),
            config_maps={config_map["metadata"]["name"]: config_map for config_map in compilation.config_maps},
            secrets={secret["metadata"]["name"]: secret for secret in compilation.secrets},
            keep=keep,
        )
