"""Turns the API server's refusals into messages for people.

Pure. Rules: a message always contains the server's own message, which has the details. It adds what that means for a
run, and what to do, where that is known (Kubernetes API conventions, "Response Status Kind").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monopod.system import foreign_json

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^":]*)')
_MISSING_ACCOUNT = re.compile(r'serviceaccount "(?P<name>[^"]*)" not found')
_EXCEEDED_QUOTA = re.compile(r"exceeded quota: [^,]*, requested: (?P<requested>.*?), used: ")
_MISSING_FOR_QUOTA = re.compile(r"failed quota: (?P<name>[^:]*): must specify ")
_LONGEST = 4000


class ApiError(Exception):
    """The API server refused a request.

    ``status`` is the HTTP status, ``reason`` the reason in the Status object, ``kind`` the resource in its details
    (``pods``, ``pods/log``, ``nodes`` …). ``retry_after``: for how many seconds the server wants no further request.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, kind: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.kind = kind
        self.retry_after = retry_after

    @classmethod
    def of(cls, status: int, phrase: str, body: bytes, retry_after: str | None = None) -> ApiError:
        """Return the error in an answer: a Status object, or plain text from kubelet or a proxy.

        `retry_after` is the header Retry-After.
        """
        try:
            content = foreign_json.loads(body)
        except ValueError:
            content = None
        if isinstance(content, dict) and content.get("kind") == "Status":
            return cls.of_status(content, status, phrase, retry_after)
        text = "" if b"<html" in body[:512].lower() else _one_line(body[:_LONGEST].decode(errors="replace"))
        return cls(status, "", text or f"{status} {phrase}".strip(), retry_after=_seconds(retry_after))

    @classmethod
    def of_status(
        cls, content: Mapping[str, Any], status: int, phrase: str = "", retry_after: str | None = None
    ) -> ApiError:
        """Return the error in a Status object."""
        details = content.get("details")
        details = details if isinstance(details, dict) else {}
        return cls(
            status,
            str(content.get("reason") or ""),
            _one_line(str(content.get("message") or phrase)),
            kind=str(details.get("kind") or ""),
            retry_after=_seconds(retry_after or details.get("retryAfterSeconds")),
        )

    @property
    def missing_permission(self) -> str | None:
        """The missing permission, such as ``create pods/exec``; None if the request was refused for another reason."""
        match = _FORBIDDEN.search(self.message) if self.status == 403 else None
        if match is None:
            return None
        group = f".{match['group']}" if match["group"] else ""
        return f"{match['verb']} {match['resource']}{group}"

    def describe(self) -> str:
        """Return what is wrong and what to do, in one line."""
        if self.status == 401:
            return f"the API server does not know you ({self.message}); log in to the cluster again"
        match = _FORBIDDEN.search(self.message) if self.status == 403 else None
        if match is not None:
            where = f" in namespace {match['namespace']}" if match["namespace"] else ""
            return (
                f"{match['user']} may not {self.missing_permission}{where}: a Role with the verb {match['verb']} on "
                f"{match['resource']} is missing (docs/kubernetes.md has the Roles that are needed)"
            )
        return self.message


def describe(error: Exception) -> str:
    """Return why a request failed, for people."""
    return error.describe() if isinstance(error, ApiError) else str(error)


def describe_creation(error: ApiError, what: str, namespace: str) -> str:
    """Return why an object (``Pod 'x'``) was not created, and what to do about it."""
    message = error.describe()
    if error.missing_permission is not None or error.status == 401:
        return f"{what} cannot be created: {message}"
    if error.status == 404 and "namespace" in message:
        return f"there is no namespace '{namespace}' for {what}; name another with -n, or create it"
    return f"{what} is refused: {message}{_advice(error)}"


def _advice(error: ApiError) -> str:
    """Return what to do about a Pod that the server rejects, as the end of a sentence."""
    message = error.message
    if security := _POD_SECURITY.search(message):
        return f" (the namespace enforces the Pod Security level {security['level']}: change the Steps that are named)"
    if account := _MISSING_ACCOUNT.search(message):
        return f" (create the ServiceAccount '{account['name']}', or name another in the run)"
    if quota := _quota_advice(message):
        return f" ({quota})"
    if "admission webhook" in message:
        return " (a policy of the cluster; ask its administrators)"
    if error.reason == "AlreadyExists":
        return " (delete it, or give the run a generateName instead of a name)"
    return ""


def _quota_advice(message: str) -> str:
    """Return what to do about a ResourceQuota; empty if the message is not about one."""
    if missing := _MISSING_FOR_QUOTA.search(message):
        return (
            f"the ResourceQuota '{missing['name']}' wants these of every container: set computeResources in the Steps "
            "named, or create a LimitRange with default and defaultRequest, which also covers the coordinator"
        )
    exceeded = _EXCEEDED_QUOTA.search(message)
    if exceeded is None:
        return ""
    resources = {request.partition("=")[0].strip() for request in exceeded["requested"].split(",")}
    if resources <= {"pods", "count/pods"}:
        return "the ResourceQuota counts Pods: delete some that have ended, or raise it"
    if any(resource.startswith("limits.") for resource in resources):
        return "the ResourceQuota counts the limits of all Steps, whenever they run: lower or remove limits"
    return (
        "the ResourceQuota counts the peak of what the Steps request at the same time: lower their requests, order "
        "Tasks with runAfter, limit a matrix with --max-concurrency, or raise the quota"
    )


def _seconds(value: object) -> float | None:
    """Return a server's number of seconds; None if there is none, or it is a date."""
    text = str(value)
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
