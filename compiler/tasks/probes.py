"""Readiness probes of Sidecars, as the coordinator runs them (Kubernetes API, Probe).

Rules:

- The coordinator probes from inside the Pod, so the host is the Pod unless the author sets another.
- Without a readinessProbe, the startupProbe decides when the Sidecar is ready. With one, it has no effect.
- No probe ends a Sidecar.

Left to others: what a Sidecar is (``resolved_steps``), probing (``monopod.coordinator``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.schemas import plan
from monopod.schemas.kubernetes.containers import ContainerPort
from monopod.schemas.tekton.tasks import Sidecar

_LOCALHOST = "127.0.0.1"


def readiness(sidecar: Sidecar) -> plan.Probe | None:
    """Return the probe that decides when a Sidecar is ready; None if it is missing or not supported."""
    probe = sidecar.readiness_probe or sidecar.startup_probe
    if probe is None:
        return None
    timing = plan.Probe(
        initial_delay=probe.initial_delay_seconds or 0,
        period=probe.period_seconds or 10,
        timeout=probe.timeout_seconds or 1,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )
    if probe.exec is not None:
        return timing._replace(command=probe.exec.command)
    if probe.tcp_socket is not None:
        port = _number(probe.tcp_socket.port, sidecar.ports) or 0
        return timing._replace(tcp_host=probe.tcp_socket.host or _LOCALHOST, tcp_port=port)
    if probe.http_get is not None:
        action = probe.http_get
        port = _number(action.port, sidecar.ports) or 0
        path = (action.path or "/").lstrip("/")
        url = f"{(action.scheme or 'HTTP').lower()}://{action.host or _LOCALHOST}:{port}/{path}"
        headers = tuple((header.name, header.value) for header in action.http_headers)
        return timing._replace(http_url=url, http_headers=headers)
    return None


def probe_problems(sidecar: Sidecar, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the readinessProbe and the startupProbe of the Sidecar at `place`."""
    probe, at = sidecar.readiness_probe, place.at("readinessProbe")
    if sidecar.startup_probe is not None:
        if probe is None:
            probe, at = sidecar.startup_probe, place.at("startupProbe")
        else:
            message = "the Sidecar is ready when its readinessProbe says so; the startupProbe has no effect beside it"
            yield place.at("startupProbe").problem("startup-probe", message, "warning")
    if probe is None:
        return
    if probe.termination_grace_period_seconds is not None:
        message = "no probe ends a Sidecar; leave terminationGracePeriodSeconds out"
        yield at.at("terminationGracePeriodSeconds").problem("unsupported", message)
    if probe.exec is not None:
        return
    if probe.tcp_socket is not None:
        yield from _port_problems(probe.tcp_socket.port, sidecar.ports, at.at("tcpSocket", "port"))
    elif probe.http_get is not None:
        if probe.http_get.protocol:
            message = "the probe speaks HTTP/1.1; leave protocol out"
            yield at.at("httpGet", "protocol").problem("unsupported", message)
        yield from _port_problems(probe.http_get.port, sidecar.ports, at.at("httpGet", "port"))
    else:
        message = "gRPC probes are not supported; use exec, httpGet or tcpSocket"
        yield at.at("grpc").problem("unsupported", message)


def _number(port: int | str, ports: Sequence[ContainerPort]) -> int | None:
    """Return the number of a port, which may be written as a name; None if no port has the name."""
    if isinstance(port, int):
        return port
    numbers = {declared.name: declared.container_port for declared in ports if declared.name}
    return numbers.get(port, int(port) if port.isdecimal() else None)


def _port_problems(port: int | str, ports: Sequence[ContainerPort], place: Place) -> Iterator[Problem]:
    if _number(port, ports) is None:
        yield place.problem("unknown-port", f"the Sidecar has no port named '{port}'")
