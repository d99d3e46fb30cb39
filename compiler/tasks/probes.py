"""Readiness probes of Sidecars, as the coordinator runs them (Kubernetes API, Probe).

Rules:

- The coordinator probes from inside the Pod, so the host is the Pod unless the author sets another.
- Without a readinessProbe, the startupProbe decides when the Sidecar is ready. With one, it has no effect.
- No probe ends a Sidecar.

Left to others: what a Sidecar is (``resolved_steps``), probing (``monopod.coordinator``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.places import Place
from monopod.schemas import plan
from monopod.schemas.kubernetes.containers import ContainerPort
from monopod.schemas.tekton.tasks import Sidecar

_LOCALHOST = "127.0.0.1"


def readiness(sidecar: Sidecar, place: Place, report: Report) -> plan.Probe | None:
    """Return the probe that decides when the Sidecar at `place` is ready; None if it has none, or an unsupported one.

    What is wrong with the probe is reported.
    """
    field, probe = "readinessProbe", sidecar.readiness_probe
    if probe is None:
        field, probe = "startupProbe", sidecar.startup_probe
    elif sidecar.startup_probe is not None:
        message = "the Sidecar is ready when its readinessProbe says so; the startupProbe has no effect beside it"
        report.add(place.at("startupProbe").problem("startup-probe", message, "warning"))
    if probe is None:
        return None
    place = place.at(field)
    if probe.termination_grace_period_seconds is not None:
        message = "no probe ends a Sidecar; leave terminationGracePeriodSeconds out"
        report.add(place.at("terminationGracePeriodSeconds").problem("unsupported", message))
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
        port = _number(probe.tcp_socket.port, sidecar.ports, place.at("tcpSocket", "port"), report)
        return timing._replace(tcp_host=probe.tcp_socket.host or _LOCALHOST, tcp_port=port)
    if probe.http_get is not None:
        action, place = probe.http_get, place.at("httpGet")
        if action.protocol:
            message = "the probe speaks HTTP/1.1; leave protocol out"
            report.add(place.at("protocol").problem("unsupported", message))
        port = _number(action.port, sidecar.ports, place.at("port"), report)
        path = (action.path or "/").lstrip("/")
        url = f"{(action.scheme or 'HTTP').lower()}://{action.host or _LOCALHOST}:{port}/{path}"
        headers = tuple((header.name, header.value) for header in action.http_headers)
        return timing._replace(http_url=url, http_headers=headers)
    report.add(place.at("grpc").problem("unsupported", "gRPC probes are not supported; use exec, httpGet or tcpSocket"))
    return None


def _number(port: int | str, ports: Sequence[ContainerPort], place: Place, report: Report) -> int:
    """Return the number of a port, which may be written as a name; report an unknown name and return 0."""
    if isinstance(port, int):
        return port
    numbers = {declared.name: declared.container_port for declared in ports if declared.name}
    number = numbers.get(port, int(port) if port.isdecimal() else None)
    if number is None:
        report.add(place.problem("unknown-port", f"the Sidecar has no port named '{port}'"))
        return 0
    return number
