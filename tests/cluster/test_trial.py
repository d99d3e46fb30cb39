"""The commands of docs/trial-cluster.md in a cluster print what the page shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from person import Session, session_in
from shown_commands import Command, normalised, shown

from monopod.compiler.pod.runtime_command import PYTHON_IMAGE
from monopod.runner.kubernetes.kubeconfig import DEFAULT_FILE, Section, find_context

ROOT = Path(__file__).parents[2]
IMAGES = (PYTHON_IMAGE, "python:3.12-slim", "busybox:stable")
PULLED = "alpine/git:latest"
"""An image that is pulled for each run: the nodes may not reach its registry."""
_NAMESPACE = "ci"


@pytest.fixture
def session(runs, can_have, tmp_path):
    """A user's shell whose context ``prod`` is the cluster, with the namespace and the claim that the page names."""
    if absent := set(IMAGES) - can_have(IMAGES):
        pytest.skip(f"the trial (the nodes have no {', '.join(sorted(absent))})")
    found = find_context(os.environ.get("KUBECONFIG") or DEFAULT_FILE, runs.target.context)
    session = session_in(tmp_path, "https://replaced.example")
    context = {"cluster": "it", "user": "it", "namespace": runs.namespace}
    configuration = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": context}],
        "clusters": [{"name": "it", "cluster": _fields(found.cluster)}],
        "users": [{"name": "it", "user": _fields(found.user)}],
    }
    (Path(session.environment["HOME"]) / ".kube/config").write_text(yaml.safe_dump(configuration))
    session.environment["MONOPOD_BACKEND"] = "kubernetes"
    session.clone(ROOT)
    session.run(f"sed -i 's#{PULLED}#python:3.12-slim#' examples/*/pipeline.yaml && git commit -q -a -m 'Keep images'")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "cache-1"}, "spec": spec}
    runs.create("persistentvolumeclaims", body)
    yield session
    runs.delete("persistentvolumeclaims", "cache-1")


def _fields(section: Section | None) -> dict[str, object]:
    """Return the fields of a cluster or user; names of files are absolute."""
    assert section is not None
    paths = {name: section.file(name) for name in section.fields if name.endswith((*_FILES,))}
    return {**section.fields, **paths}


_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def test_the_commands_of_the_page_print_what_it_shows(session: Session, runs, need):
    need("the trial", ("create", "persistentvolumeclaims"))
    commands = [each for each in shown((ROOT / "docs/trial-cluster.md").read_text()) if isinstance(each, Command)]
    assert len(commands) > 20
    for each in commands:
        printed = session.run(each.text).replace(runs.namespace, _NAMESPACE)
        assert normalised(printed, each.output) == normalised(each.output or ""), each.text
