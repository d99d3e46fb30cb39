"""Names in a Pod that become parts of paths, compared to the rules of an API server."""

from __future__ import annotations

import pytest

from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubelet.pod_names import check_names

NAMES = [
    ("metadata.name", "a.b-1", "a/b"),
    ("metadata.namespace", "default", "a.b"),
    ("spec.initContainers[0].name", "one", ".."),
    ("spec.containers[0].name", "two", "Two"),
    ("spec.volumes[0].name", "v", "../v"),
    ("spec.volumes[0].persistentVolumeClaim.claimName", "a.b", "../c"),
]


def pod(values):
    name, namespace, initial, ordinary, volume, claim = values
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "initContainers": [{"name": initial}],
            "containers": [{"name": ordinary}],
            "volumes": [{"name": volume, "persistentVolumeClaim": {"claimName": claim}}],
        },
    }


def test_valid_names_are_accepted():
    check_names(pod([good for _, good, _ in NAMES]))


@pytest.mark.parametrize("index", range(len(NAMES)))
def test_every_name_is_checked(index):
    values = [good for _, good, _ in NAMES]
    where, _, bad = NAMES[index]
    values[index] = bad
    with pytest.raises(PodRefusedError) as refused:
        check_names(pod(values))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{where}: '{bad}' is not a valid name: use at most")
