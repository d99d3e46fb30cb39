"""Credentials that Tekton would put into every Step, from the Secrets of its ServiceAccount (Tekton docs/auth.md).

Rules: monopod does not inject credentials, so it refuses a run whose ServiceAccount has such Secrets. It can only check
a ServiceAccount that is among the files.
"""

from __future__ import annotations

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Documents
from monopod.schemas.kubernetes.objects import Secret

_ANNOTATIONS = ("tekton.dev/git-", "tekton.dev/docker-")


def injected_credentials(documents: Documents, service_account: str) -> list[Problem]:
    """Return a problem for each Secret of the ServiceAccount that Tekton would turn into credentials."""
    problems = []
    for account in documents.others():
        if account.kind != "ServiceAccount" or account.name != service_account:
            continue
        for index, reference in enumerate(account.data.get("secrets") or ()):
            secret = documents.find(Secret, reference.get("name", ""))
            annotations = (secret[0].data["metadata"].get("annotations") or {}) if secret is not None else {}
            if any(key.startswith(_ANNOTATIONS) for key in annotations):
                message = (
                    f"Tekton would put the credentials of Secret '{reference['name']}' into the home of every Step, "
                    "which monopod does not do; bind the Secret as a Workspace, and use it from there"
                )
                problems.append(account.problem(("secrets", index), message, "injected-credentials"))
    return problems
