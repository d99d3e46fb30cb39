"""What an API server answers when it does not do what it was asked for, and what that means to a person.

Pure. Rules: the server's own message is always there, since only it tells the details; what it means for a run, and
what to do about it, is added where that is known (Kubernetes API conventions, "Response Status Kind").
"""

from __future__ import annotations

import json
import re

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^":]*)')
_MISSING_ACCOUNT = re.compile(r'serviceaccount "(?P<name>[^"]*)" not found')
_LONGEST = 4000


class ApiError(Exception):
    """The API server refused a request. ``status`` is the HTTP status, ``reason`` that of the Status object."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    @classmethod
    def of(cls, status: int, phrase: str, body: bytes) -> ApiError:
        """Return what an answer says: a Status object, or whatever text a proxy puts in its place."""
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        if isinstance(content, dict) and content.get("kind") == "Status":
            return cls(status, str(content.get("reason") or ""), _one_line(str(content.get("message") or phrase)))
        text = "" if b"<html" in body[:512].lower() else _one_line(body[:_LONGEST].decode(errors="replace"))
        return cls(status, "", text or f"{status} {phrase}")

    @property
    def missing_permission(self) -> str | None:
        """What may not be done, such as ``create pods/exec``; None if it was refused for another reason."""
        match = _FORBIDDEN.search(self.message) if self.status == 403 else None
        if match is None:
            return None
        group = f".{match['group']}" if match["group"] else ""
        return f"{match['verb']} {match['resource']}{group}"

    def in_words(self) -> str:
        """Return what is wrong, and what would be right, in one line."""
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


def creation_in_words(error: ApiError, what: str, namespace: str) -> str:
    """Return why an object (``Pod 'x'``) was not created, and what to do about it."""
    message = error.in_words()
    if error.missing_permission is not None or error.status == 401:
        return f"{what} cannot be created: {message}"
    if error.status == 404 and "namespace" in message:
        return f"there is no namespace '{namespace}' for {what}; name another with -n, or create it"
    return f"{what} is refused: {message}{_advice(error)}"


def _advice(error: ApiError) -> str:
    """Return what to do about a Pod that the server does not admit, as the end of a sentence."""
    message = error.message
    if security := _POD_SECURITY.search(message):
        return f" (the namespace enforces the Pod Security level {security['level']}: change the Steps that are named)"
    if account := _MISSING_ACCOUNT.search(message):
        return f" (create the ServiceAccount '{account['name']}', or name another in the run)"
    if "exceeded quota" in message:
        return " (a ResourceQuota of the namespace; a Pod asks for the peak of what its Steps ask for)"
    if "admission webhook" in message:
        return " (a policy of the cluster; whoever runs it knows more)"
    if error.reason == "AlreadyExists":
        return " (delete it, or give the run a generateName instead of a name)"
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
