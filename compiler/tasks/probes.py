"""Readiness probes of Sidecars, as the coordinator carries them out (Kubernetes API, Probe).

Rules:

- The coordinator probes from inside the Pod, so the host is the Pod's own unless the author says another.
- Without a readinessProbe, a startupProbe says when the Sidecar is ready. Beside one, it has no effect.
- No probe ends a Sidecar.

Left to others: what a Sidecar is (``resolved_steps``), probing (``monopod.coordinator``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.schemas import plan
from monopod.schemas.kubernetes.containers import ContainerPort, Probe
from monopod.schemas.tekton.tasks import Sidecar

_LOCALHOST = "127.0.0.1"


def readiness(sidecar: Sidecar, place: Place, problems: list[Problem]) -> plan.Probe | None:
    """Return the probe of a Sidecar for the Plan; None if there is none or, with a problem added, it cannot be done."""
    if sidecar.readiness_probe is None:
        if sidecar.startup_probe is None:
            return None
        return _in_plan(sidecar.startup_probe, sidecar.ports, place.at("startupProbe"), problems)
    if sidecar.startup_probe is not None:
        message = "the Sidecar is ready when its readinessProbe says so; the startupProbe has no effect beside it"
        problems.append(place.at("startupProbe").problem("startup-probe", message, "warning"))
    return _in_plan(sidecar.readiness_probe, sidecar.ports, place.at("readinessProbe"), problems)


def _in_plan(probe: Probe, ports: Sequence[ContainerPort], place: Place, problems: list[Problem]) -> plan.Probe | None:
    if probe.termination_grace_period_seconds is not None:
        where = place.at("terminationGracePeriodSeconds")
        message = "no probe ends a Sidecar; leave terminationGracePeriodSeconds out"
        problems.append(where.problem("unsupported", message))
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
        port = _number(probe.tcp_socket.port, ports, place.at("tcpSocket", "port"), problems)
        return timing._replace(tcp_host=probe.tcp_socket.host or _LOCALHOST, tcp_port=port)
    if probe.http_get is not None:
        action = probe.http_get
        if action.protocol:
            where = place.at("httpGet", "protocol")
            problems.append(where.problem("unsupported", "the probe speaks HTTP/1.1; leave protocol out"))
        port = _number(action.port, ports, place.at("httpGet", "port"), problems)
        path = (action.path or "/").lstrip("/")
        url = f"{(action.scheme or 'HTTP').lower()}://{action.host or _LOCALHOST}:{port}/{path}"
        headers = tuple((header.name, header.value) for header in action.http_headers)
        return timing._replace(http_url=url, http_headers=headers)
    message = "gRPC probes are not supported; use exec, httpGet or tcpSocket"
    problems.append(place.at("grpc").problem("unsupported", message))
    return None


def _number(port: int | str, ports: Sequence[ContainerPort], place: Place, problems: list[Problem]) -> int:
    """Return the number of a port, which may be given by its name."""
    if isinstance(port, int):
        return port
    numbers = {each.name: each.container_port for each in ports if each.name}
    if port in numbers:
        return numbers[port]
    if port.isdecimal():
        return int(port)
    problems.append(place.problem("unknown-port", f"the Sidecar has no port named '{port}'"))
    return 0
