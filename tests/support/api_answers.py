"""Error answers of an API server and of kubelet, verbatim: (status, body, headers).

From Kubernetes' source: apimachinery/pkg/api/errors (the constructors of Status objects), apiserver's ResponseChecker
(what kubelet answers, as the API server passes it on), ``responsewriters.ErrorToAPIStatus`` (errors that are no Status:
a kubelet that is not reached), the filters for fairness, shutdown and timeouts, pkg/registry/core/pod,
pkg/kubelet/server.
"""

from __future__ import annotations

KUBELET = "https://10.0.0.7:10250"
REFUSED = "dial tcp 10.0.0.7:10250: connect: connection refused"


def status(code, reason, message, kind="", name="", **details):
    """A Status object."""
    details = {**({"name": name} if name else {}), **({"kind": kind} if kind else {}), **details}
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        body["reason"] = reason
    if details:
        body["details"] = details
    return code, {**body, "code": code}


def missing(resource, name):
    """NewNotFound."""
    return status(404, "NotFound", f'{resource} "{name}" not found', kind=resource, name=name)


def unseen_log(pod):
    """Between binding and kubelet's first sync: kubelet's 404, through the ResponseChecker."""
    text = f"the server could not find the requested resource ( pods/log {pod})"
    return status(404, "NotFound", text, kind="pods/log", name=pod)


def unreachable_log(namespace, pod, container):
    """An error that is not a Status."""
    return status(500, "", f'Get "{KUBELET}/containerLogs/{namespace}/{pod}/{container}?follow=true": {REFUSED}')


def unready_log(pod, code=503):
    """An answer of kubelet, or of a tunnel to it, that the ResponseChecker does not know."""
    words = {
        502: 'an error on the server ("unknown") has prevented the request from succeeding',
        503: "the server is currently unable to handle the request",
        504: "the server was unable to return a response in the time allotted, but may still be processing the request",
    }
    reason = {502: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}[code]
    return status(code, reason, f"{words[code]} ( pods/log {pod})", kind="pods/log", name=pod)


def waiting(pod, container, reason="PodInitializing"):
    """validateContainerLogStatus."""
    words = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    text = f'container "{container}" in pod "{pod}" is waiting to start: {words.get(reason, reason)}'
    return status(400, "BadRequest", text)


def unavailable(pod, container):
    return status(400, "BadRequest", f'container "{container}" in pod "{pod}" is not available')


def never_ran(pod, container):
    """The container has terminated and never had an id."""
    return status(400, "BadRequest", f'container "{container}" in pod "{pod}" is terminated')


def no_former_log(pod, container):
    return status(400, "BadRequest", f'previous terminated container "{container}" in pod "{pod}" not found')


def no_such_container(pod, container):
    return status(400, "BadRequest", f"container {container} is not valid for pod {pod}")


def throttled(seconds=1):
    """The filter for priority and fairness: plain text."""
    return 429, "Too many requests, please try again later.\n", [("Retry-After", str(seconds))]


def shutting_down():
    """The filter WithRetryAfter."""
    text = "The apiserver is shutting down, please try again later.\n"
    return 429, text, [("Retry-After", "5"), ("Connection", "close")]


def timed_out():
    """The filter WithTimeoutForNonLongRunningRequests."""
    text = "Timeout: request did not complete within the allotted timeout"
    return status(504, "Timeout", text, retryAfterSeconds=0)


def expired(seen, oldest):
    """NewResourceExpired, in a watch."""
    return status(410, "Expired", f"too old resource version: {seen} ({oldest})")


def unauthorized():
    return status(401, "Unauthorized", "Unauthorized")


def _kubelet_text(code, text):
    """Kubelet's answer to a command, which the API server passes on unchanged (UpgradeAwareHandler)."""
    return code, f"{text}\n"


def _internal_error(message):
    return status(500, "InternalError", f"Internal error occurred: {message}", causes=[{"message": message}])


def unseen_exec():
    return _kubelet_text(404, "pod does not exist")


def no_container_exec(container):
    return _kubelet_text(500, f'container not found ("{container}")')


def unreachable_exec():
    return _internal_error(f"error dialing backend: {REFUSED}")


def unscheduled_exec(pod):
    return status(400, "BadRequest", f"pod {pod} does not have a host assigned")


def completed_exec():
    return status(400, "BadRequest", "cannot exec into a container in a completed pod; current phase is Succeeded")


LOG_OF_NODE = {
    "ready": lambda *_: None,
    "none": lambda *_: (204, ""),  # an empty location: responsewriters.StreamObject says that there is nothing
    "unseen": lambda _namespace, pod, _container: unseen_log(pod),
    "unreachable": unreachable_log,
}
EXEC_OF_NODE = {
    "ready": lambda *_: None,
    "none": lambda _namespace, pod, _container: unscheduled_exec(pod),
    "unseen": lambda *_: unseen_exec(),
    "unreachable": lambda *_: unreachable_exec(),
}
