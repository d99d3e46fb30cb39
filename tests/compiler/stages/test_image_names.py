"""Names of images in Steps and Sidecars that clusters reject."""

import pytest

TASK = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: r}
spec:
  params: [{name: image, value: "PARAM"}]
  taskSpec:
    params: [{name: image}]
    steps: [{name: s, image: "STEP", script: "true"}]
    sidecars: [{name: d, image: "SIDECAR", script: "true"}]
"""


def text(param="busybox", step="busybox", sidecar="busybox"):
    return TASK.replace("PARAM", param).replace("STEP", step).replace("SIDECAR", sidecar)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"step": "Busybox"}, "p.yaml:8:30: spec.taskSpec.steps[0].image: 'Busybox' is not the name of an image; "),
        ({"sidecar": "a b"}, "p.yaml:9:33: spec.taskSpec.sidecars[0].image: 'a b' is not the name of an image; "),
        (
            {"param": "docker://x", "step": "$(params.image)"},
            "p.yaml:8:30: spec.taskSpec.steps[0].image: 'docker://x' is not the name of an image; write it without",
        ),
        (
            {"param": "<tag>", "sidecar": "registry.example/tool:$(params.image)"},
            "p.yaml:9:33: spec.taskSpec.sidecars[0].image: 'registry.example/tool:<tag>' is not the name of an image; ",
        ),
    ],
)
def test_image_name_that_clusters_reject(problems, fields, start):
    (line,) = problems(text(**fields))
    assert line.startswith(start)


def test_image_name_from_a_param(problems):
    assert problems(text(param="1.36", step="busybox:$(params.image)")) == []
