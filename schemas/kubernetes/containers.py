"""Fields of a container: environment, mounts, security, probes, ports and resources."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from monopod.schemas.formats.quantity import Quantity
from monopod.schemas.model import ListOf, Model, Path, exactly_one


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a number or a name")
    return value


def _pull_policy(value: str) -> str:
    if value not in {"Always", "IfNotPresent", "Never"} and "$(" not in value:
        raise ValueError(f"expected Always, IfNotPresent or Never, got '{value}'")
    return value


IntOrString: TypeAlias = Annotated[
    int | str, PlainValidator(_int_or_string), WithJsonSchema({"type": ["integer", "string"]})
]
"""A port: its number or its name."""

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
PullPolicy: TypeAlias = Annotated[
    str,
    AfterValidator(_pull_policy),
    WithJsonSchema({"anyOf": [{"enum": ["Always", "IfNotPresent", "Never"]}, {"type": "string", "pattern": r"\$\("}]}),
]


# Environment variables


class ConfigMapKeySelector(Model):
    """One key of a ConfigMap."""

    key: str
    name: str = ""
    optional: bool = False


class SecretKeySelector(Model):
    """One key of a Secret."""

    key: str
    name: str = ""
    optional: bool = False


class FileKeySelector(Model):
    """One key of a file in a volume."""

    key: str
    path: str
    volume_name: str
    optional: bool = False


class ObjectFieldSelector(Model):
    """A field of the Pod."""

    field_path: str
    api_version: str | None = None


class ResourceFieldSelector(Model):
    """A resource that a container requests."""

    resource: str
    container_name: str | None = None
    divisor: Quantity | None = None


class EnvVarSource(Model):
    """Where the value of an environment variable comes from."""

    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, EnvVarSource)."""
        yield from exactly_one(self, *type(self).model_fields)


class EnvVar(Model):
    """An environment variable."""

    name: Annotated[str, Field(min_length=1)]
    value: str = ""
    value_from: EnvVarSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A value or a source of one (Kubernetes API, EnvVar)."""
        if self.value and self.value_from is not None:
            yield ("valueFrom",), "only one of value, valueFrom may be given"


class ConfigMapEnvSource(Model):
    """A ConfigMap whose keys become environment variables."""

    name: str = ""
    optional: bool = False


class SecretEnvSource(Model):
    """A Secret whose keys become environment variables."""

    name: str = ""
    optional: bool = False


class EnvFromSource(Model):
    """A source of a whole set of environment variables."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, EnvFromSource)."""
        yield from exactly_one(self, "config_map_ref", "secret_ref")


# Mounts


class VolumeMount(Model):
    """Where a volume is mounted in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    recursive_read_only: Literal["Disabled", "IfPossible", "Enabled"] | None = None
    mount_propagation: Literal["None", "HostToContainer", "Bidirectional"] | None = None
    bind_mount_options: ListOf[str] = ()
    sub_path: str = ""
    sub_path_expr: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A sub-path or an expression for one (Kubernetes API, VolumeMount)."""
        if self.sub_path and self.sub_path_expr:
            yield ("subPathExpr",), "only one of subPath, subPathExpr may be given"


class VolumeDevice(Model):
    """Where a raw block volume appears in a container."""

    name: str
    device_path: str


# Security


class AppArmorProfile(Model):
    """An AppArmor profile."""

    type: str
    localhost_profile: str | None = None


class SeccompProfile(Model):
    """A seccomp profile."""

    type: str
    localhost_profile: str | None = None


class Capabilities(Model):
    """Linux capabilities to add and to drop."""

    add: ListOf[str] = ()
    drop: ListOf[str] = ()


class SELinuxOptions(Model):
    """An SELinux label."""

    user: str | None = None
    role: str | None = None
    type: str | None = None
    level: str | None = None


class WindowsSecurityContextOptions(Model):
    """Security options of a Windows container."""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class SecurityContext(Model):
    """The security options of a container."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


# Probes and lifecycle


class ExecAction(Model):
    """A command that is run in the container."""

    command: ListOf[str] = ()


class GRPCAction(Model):
    """A gRPC health check."""

    port: Port
    service: str | None = None
    mode: str | None = None


class HTTPHeader(Model):
    """A header of a request."""

    name: str
    value: str


class HTTPGetAction(Model):
    """An HTTP request."""

    port: IntOrString
    path: str | None = None
    host: str | None = None
    scheme: Literal["HTTP", "HTTPS"] | None = None
    http_headers: ListOf[HTTPHeader] = ()
    protocol: str | None = None


class TCPSocketAction(Model):
    """A TCP connection."""

    port: IntOrString
    host: str | None = None


class SleepAction(Model):
    """A pause."""

    seconds: int


Seconds: TypeAlias = Annotated[int, Field(ge=0)]


class Probe(Model):
    """A check on a container."""

    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    initial_delay_seconds: Seconds | None = None
    period_seconds: Seconds | None = None
    timeout_seconds: Seconds | None = None
    success_threshold: Seconds | None = None
    failure_threshold: Seconds | None = None
    termination_grace_period_seconds: Seconds | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one action (Kubernetes API, Probe)."""
        yield from exactly_one(self, "exec", "http_get", "tcp_socket", "grpc")


class LifecycleHandler(Model):
    """An action after a container has started or before it is stopped."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one action (Kubernetes API, LifecycleHandler)."""
        yield from exactly_one(self, "exec", "http_get", "tcp_socket", "sleep")


class Lifecycle(Model):
    """The handlers of a container."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


# Ports and resources


class ContainerPort(Model):
    """A port of a container."""

    container_port: Port
    name: str | None = None
    host_ip: str | None = Field(None, alias="hostIP")
    host_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None


class ResourceClaim(Model):
    """A claim of the Pod that a container uses."""

    name: str
    request: str | None = None


class ResourceRequirements(Model):
    """The resources that a container requests, and their limits."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    requests: dict[str, Quantity] = Field(default_factory=dict)
    claims: ListOf[ResourceClaim] = ()
