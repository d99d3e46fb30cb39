"""Which images are pulled, and what is said if they cannot be."""

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
def test_an_image_is_pulled_as_kubelet_would(name, policy, is_here, expected):
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
    """Says which images are here, and as whom they run; nothing else is, and nothing can be pulled."""

    def here(**users):
        for name, user in {RUNTIME: "65532:65532", **users}.items():
            fake_podman.answer(f"image inspect {name}", [{"Config": {"User": user}}])
        fake_podman.answer("image inspect", errors="Error: no such image\n", code=125)
        fake_podman.answer("pull", **FAILED)
        return fake_podman

    return here


def test_what_images_say_is_returned_and_nothing_is_pulled_that_is_here(here):
    podman, told = here(**{"a:1": "worker", "b:1": ""}), []
    provided = provide(pod("a:1", "b:1", "a:1"), RUNTIME, told.append)
    images = provided.images
    assert provided.missing == {}
    assert {name: image.user for name, image in images.items()} == {"a:1": "worker", "b:1": "", RUNTIME: "65532:65532"}
    assert told == []
    assert not any(line.startswith("pull") for line in podman.asked())


def test_images_that_are_not_to_be_had_have_the_reasons_of_kubelet(here):
    here(**{"a:1": ""})
    provided = provide(pod("a:1", "b:1", "localhost/c:1", "b:1"), RUNTIME, lambda _: None)
    assert set(provided.images) == {RUNTIME, "a:1"}
    assert provided.missing == {
        "b:1": ("ErrImagePull", "cannot pull image b:1: no route to the registry"),
        "localhost/c:1": ("ErrImageNeverPull", "image localhost/c:1 is not here, and is never pulled"),
    }


def test_nothing_runs_without_the_newest_runtime_image_if_that_was_asked_for(here):
    here(**{"a:1": ""})
    wanted = pod()
    wanted["spec"]["initContainers"][0].update(image="a:1", imagePullPolicy="Always")
    with pytest.raises(BackendUnavailableError, match="cannot pull image a:1: no route"):
        provide(wanted, "a:1", lambda _: None)


def test_what_makes_the_runtime_image_is_told(here):
    here()
    with pytest.raises(BackendUnavailableError, match=r"localhost/other:1 is not here; `make image`"):
        provide(pod(), "localhost/other:1", lambda _: None)


def test_an_image_that_is_here_will_do_if_a_newer_one_cannot_be_had(here):
    here(**{"a:latest": ""})
    told = []
    assert "a:latest" in provide(pod("a:latest"), RUNTIME, told.append).images
    assert told[-1] == "cannot pull image a:latest, using the local copy: no route to the registry"


def test_an_image_that_is_always_to_be_pulled_is_not_replaced_by_the_one_that_is_here(here):
    here(**{"a:latest": ""})
    provided = provide(pod("a:latest", imagePullPolicy="Always"), RUNTIME, lambda _: None)
    assert set(provided.images) == {RUNTIME}
    assert provided.missing["a:latest"][0] == "ErrImagePull"
