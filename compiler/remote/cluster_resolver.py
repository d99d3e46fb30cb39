"""The resolver ``cluster``: an object of a cluster (Tekton docs/cluster-resolver.md).

The cluster comes from ``--context`` or kubectl's current context, or it is the cluster that this process runs in.
Unlike in Tekton, the recorded digest is computed from the spec as JSON with sorted keys.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any

from monopod.compiler.documents.yaml_text import to_yaml
from monopod.compiler.remote.reference import (
    TIMEOUT,
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)
from monopod.system import foreign_json
from monopod.system.time_limit import call_before, deadline_after

PARAMS = frozenset({"kind", "name", "namespace", "cache"})

_RESOURCES = {"task": ("v1", "tasks"), "pipeline": ("v1", "pipelines"), "stepaction": ("v1beta1", "stepactions")}
_KUBECONFIG = "~/.kube/config"
_KINDS = {"task": "Task", "pipeline": "Pipeline", "stepaction": "StepAction"}


def resolve(reference: RemoteReference, options: ResolverOptions) -> Resolved:
    """Return an object from a cluster. Raises RemoteError."""
    kind = reference.one_of("kind", tuple(_RESOURCES), "task")
    name, namespace = reference.required("name"), reference.required("namespace")
    what = f"cluster {namespace}/{kind}/{name}"
    version, resource = _RESOURCES[kind]
    resource_object = _get(("tekton.dev", version, namespace, resource, name), what, options)
    metadata = resource_object.get("metadata") or {}
    spec = resource_object.get("spec")
    kept = {field: metadata[field] for field in ("name", "labels", "annotations") if metadata.get(field)}
    document = {"apiVersion": f"tekton.dev/{version}", "kind": _KINDS[kind], "metadata": kept, "spec": spec}
    checksum = hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    uri = f"/apis/tekton.dev/{version}/namespaces/{namespace}/{kind}/{name}@{metadata.get('uid', '')}"
    return Resolved(to_yaml(document).encode(), what, RefSource(uri, (("sha256", checksum),)))


def address(reference: RemoteReference) -> Address:
    """Return the namespace and the object in it. Raises RemoteError."""
    kind = reference.one_of("kind", tuple(_RESOURCES), "task")
    name, namespace = reference.required("name"), reference.required("namespace")
    return Address("cluster", (f"{namespace}/{name}",), "named", "name", kind=kind, name=name)


def _get(path: tuple[str, str, str, str, str], what: str, options: ResolverOptions) -> dict[str, Any]:
    """Return the object at a group, version, namespace, resource and name."""
    from kubernetes import client, config  # noqa: PLC0415  # heavy: only for who needs it
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    configuration = client.Configuration()
    configuration.retries = 0  # it logs each retry
    file = options.environment.get("KUBECONFIG")
    try:
        if file is None and options.context is None and "KUBERNETES_SERVICE_HOST" in options.environment:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(file or _KUBECONFIG, options.context, configuration)  # type: ignore[no-untyped-call]
        with client.ApiClient(configuration) as api:
            get = partial(client.CustomObjectsApi(api).get_namespaced_custom_object, *path)
            answer = call_before(deadline_after(TIMEOUT), partial(get, _request_timeout=TIMEOUT / 4))
    except config.ConfigException as error:
        message = f"{what}: no cluster is configured: {error}; set KUBECONFIG or --context"
        raise RemoteError(" ".join(message.split())) from error
    except client.ApiException as error:
        raise RemoteError(f"{what}: the cluster says {_said(error)}{_hint(error.status or 0)}") from error
    except TimeoutError as error:
        raise RemoteError(f"{what}: the cluster did not answer within {TIMEOUT:g} seconds") from error
    except (HTTPError, OSError) as error:
        raise RemoteError(f"{what}: cannot reach the cluster: {_reason(error)}") from error
    if not isinstance(answer, dict):
        raise RemoteError(f"{what}: the cluster's answer is not an object")
    return answer


def _said(error: Any) -> str:
    """Return the message of a Kubernetes Status, or the HTTP status."""
    try:
        message = foreign_json.loads(error.body or "").get("message")
    except (ValueError, AttributeError):
        message = None
    return " ".join(str(message or f"{error.status} {error.reason}").split())


def _hint(status: int) -> str:
    return {404: "; check kind, name, namespace and the context", 401: "; log in to the cluster"}.get(status, "")


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split())
