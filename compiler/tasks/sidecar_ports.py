"""The ports that a Sidecar listens on: declared ports, and ports that its program mentions.

Rules:

- A ``containerPort`` is certain, and the port of a readiness or startup probe almost certain. A port in the arguments,
  the environment or the script is likely, and so is the default port of a well-known server's unchanged image.
- A port that is not a plain number is unknown: each combination of a matrix may have its own.

Left to others: which Sidecars can run at the same time (``port_clashes``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from monopod.compiler.documents.places import Place
from monopod.schemas.kubernetes.containers import Probe
from monopod.schemas.tekton.tasks import Sidecar

_LARGEST = 65535
_LISTENS = re.compile(
    r"\bbind\(\s*\(?\s*[\"'][^\"']*[\"']\s*,\s*(\d{2,5})"  # Python: bind(("127.0.0.1", 80))
    r"|\.?\blisten\(\s*(\d{2,5})\b"  # JavaScript: listen(80)
    r"|\bhttp\.server\s+(\d{2,5})\b"
    r"|\bListenAndServe\(\s*\"[^\"]*:(\d{2,5})\""
    r"|\bn(?:c|cat)\s+(?:-\w+\s+)*-\w*l\w*\s+(?:-p\s+)?(\d{2,5})\b"
    r"|\bTCP\d?-LISTEN:(\d{2,5})\b"
    r"|--?(?:port|http-port|listen-port|bind-port)[= ](\d{2,5})\b",
    re.IGNORECASE,
)
_OF_IMAGES = {
    "postgres": 5432,
    "postgis": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "redis": 6379,
    "valkey": 6379,
    "mongo": 27017,
    "rabbitmq": 5672,
    "memcached": 11211,
    "nginx": 80,
    "httpd": 80,
    "registry": 5000,
    "elasticsearch": 9200,
    "minio": 9000,
    "zookeeper": 2181,
}
"""The port of well-known servers, by the last word of their image's name."""


@dataclass(frozen=True, slots=True)
class ListeningPort:
    """A port, where it is written, and whether it is `declared`; if not, the Sidecar only seems to listen on it."""

    port: int
    protocol: str
    place: Place
    declared: bool


def ports_of(sidecar: Sidecar, place: Place) -> Iterator[ListeningPort]:
    """Yield the ports of a Sidecar, each once, declared ports first."""
    seen: set[tuple[int, str]] = set()
    for port in _all_ports(sidecar, place):
        if (port.port, port.protocol) not in seen:
            seen.add((port.port, port.protocol))
            yield port


def _all_ports(sidecar: Sidecar, place: Place) -> Iterator[ListeningPort]:
    for number, port in enumerate(sidecar.ports):
        yield ListeningPort(port.container_port, port.protocol or "TCP", place.at("ports", number), True)
    for field, probe in (("readinessProbe", sidecar.readiness_probe), ("startupProbe", sidecar.startup_probe)):
        yield from _of_probe(probe, place.at(field))
    for field, words in (("command", sidecar.command), ("args", sidecar.args)):
        if words:
            yield from _in_text(_LISTENS, " ".join(words), place.at(field))
    yield from _in_text(_LISTENS, sidecar.script, place.at("script"))
    for index, variable in enumerate(sidecar.env):
        if variable.name == "PORT" and variable.value.isdecimal():
            yield from _likely(variable.value, place.at("env", index, "value"))
    if not (sidecar.script or sidecar.command or sidecar.args or sidecar.ports or sidecar.env_from):
        name = re.split(r"[@:]", sidecar.image.rpartition("/")[2])[0]
        own = any(variable.name in {"PORT", "PGPORT"} for variable in sidecar.env)
        if name in _OF_IMAGES and not own:
            yield ListeningPort(_OF_IMAGES[name], "TCP", place.at("image"), False)


def _of_probe(probe: Probe | None, place: Place) -> Iterator[ListeningPort]:
    if probe is None:
        return
    for field, action in (("httpGet", probe.http_get), ("tcpSocket", probe.tcp_socket)):
        if action is not None and str(action.port).isdecimal():
            yield from _likely(str(action.port), place.at(field, "port"))


def _in_text(pattern: re.Pattern[str], text: str, place: Place) -> Iterator[ListeningPort]:
    for match in pattern.finditer(text):
        yield from _likely(next(group for group in match.groups() if group), place)


def _likely(digits: str, place: Place) -> Iterator[ListeningPort]:
    if 0 < int(digits) <= _LARGEST:
        yield ListeningPort(int(digits), "TCP", place, False)
