"""Pulling images, and the reasons if they cannot be pulled."""

from __future__ import annotations

import pytest

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman.images import must_pull, provide

RUNTIME = "localhost/monopod:1"
FAILED = {"errors": "Error: no route to the registry\n", "code": 125}


@pytest.mark.parametrize(
    ("name", "policy", "is_here", "expected"),
    [
        ("busybox:1", "", True, False),
        ("busybox:1", "", False, True),
        ("busybox:1", "IfNotPresent", True, False),
        ("busybox:1", "Always", True, True),
        ("busybox:1", "Never", False, False),
        ("busybox", "", True, True),
        ("busybox:latest", "", True, True),
        ("busybox:latest", "IfNotPresent", True, False),
        ("registry.example:5000/team/tool", "", True, True),
        ("registry.example:5000/team/tool:latest", "", True, True),
        ("registry.example:5000/team/tool:1", "", True, False),
        ("registry.example:5000/team/latest:1", "", True, False),
        ("team/tool@sha256:" + 64 * "a", "", True, False),
        ("team/tool:latest@sha256:" + 64 * "a", "", True, False),
        ("localhost/tool", "", True, False),
        ("localhost/tool:latest", "Always", True, False),
        ("localhost/tool:1", "Always", False, False),
        ("localhost:5000/tool", "", True, True),
    ],
)
def test_images_are_pulled_as_by_kubelet(name, policy, is_here, expected):
    assert must_pull(name, policy, is_here=is_here) is expected


def pod(*images, **fields):
    return {
        "spec": {
            "initContainers": [{"name": "coordinator", "image": RUNTIME}],
            "containers": [{"name": f"c{number}", "image": image, **fields} for number, image in enumerate(images)],
        }
    }


@pytest.fixture
def here(fake_podman):
    """Sets the local images and their users; there are no others, and nothing can be pulled."""

    def here(**users):
        for name, user in {RUNTIME: "65532:65532", **users}.items():
            fake_podman.answer(f"image inspect {name}", [{"Config": {"User": user}}])
        fake_podman.answer("image inspect", errors="Error: no such image\n", code=125)
        fake_podman.answer("pull", **FAILED)
        return fake_podman

    return here


def test_local_images_are_inspected_and_not_pulled(here):
    podman, warnings = here(**{"a:1": "worker", "b:1": ""}), []
    provided = provide(pod("a:1", "b:1", "a:1"), RUNTIME, warnings.append)
    images = provided.images
    assert provided.missing == {}
    assert {name: image.user for name, image in images.items()} == {"a:1": "worker", "b:1": "", RUNTIME: "65532:65532"}
    assert warnings == []
    assert not any(line.startswith("pull") for line in podman.asked())


def test_missing_images_have_the_reasons_of_kubelet(here):
    here(**{"a:1": ""})
    provided = provide(pod("a:1", "b:1", "localhost/c:1", "b:1"), RUNTIME, lambda _: None)
    assert set(provided.images) == {RUNTIME, "a:1"}
    assert provided.missing == {
        "b:1": ("ErrImagePull", "cannot pull image b:1: no route to the registry"),
        "localhost/c:1": ("ErrImageNeverPull", "image localhost/c:1 is not here, and is never pulled"),
    }


def test_newest_runtime_image_is_required_if_requested(here):
    here(**{"a:1": ""})
    wanted = pod()
    wanted["spec"]["initContainers"][0].update(image="a:1", imagePullPolicy="Always")
    with pytest.raises(BackendUnavailableError, match="cannot pull image a:1: no route"):
        provide(wanted, "a:1", lambda _: None)


def test_missing_coordinator_image_names_the_option_for_another(here):
    here()
    wanted = pod()
    wanted["spec"]["initContainers"][0]["image"] = "localhost/other:1"
    with pytest.raises(BackendUnavailableError, match=r"localhost/other:1 is not here.*any image with Python 3.11"):
        provide(wanted, "localhost/other:1", lambda _: None)


def test_local_image_is_used_if_a_newer_image_cannot_be_pulled(here):
    here(**{"a:latest": ""})
    warnings = []
    assert "a:latest" in provide(pod("a:latest"), RUNTIME, warnings.append).images
    assert warnings[-1] == "cannot pull image a:latest, using the local copy: no route to the registry"


def test_local_image_is_not_used_with_pull_policy_always(here):
    here(**{"a:latest": ""})
    provided = provide(pod("a:latest", imagePullPolicy="Always"), RUNTIME, lambda _: None)
    assert set(provided.images) == {RUNTIME}
    assert provided.missing["a:latest"][0] == "ErrImagePull"
