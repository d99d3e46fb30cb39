"""Names of images, as kubelet accepts them (distribution/reference)."""

import pytest

from monopod.schemas.formats.image_names import image_problem

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "name",
    [
        "busybox",
        "busybox:1.36",
        "library/busybox:1_x.Y-z",
        f"busybox@{DIGEST}",
        f"registry.example:5000/team/tool:v1@{DIGEST}",
        "localhost/tool",
        "localhost:5000/tool",
        "[2001:db8::1]:5000/tool",
        "UPPER/tool",  # a registry to kubelet
        "a-b.example/x__y/z--w.v",
        "ghcr.io/tektoncd/pipeline/cmd/entrypoint-bff0a22da108bc2f16c818c97641a296:v1",
        "a" * 255,
    ],
)
def test_valid_names(name):
    assert image_problem(name) is None


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("Busybox", "write the repository in lower case"),
        ("registry.example/Team/tool:1", "write the repository in lower case"),
        ("docker://busybox", "write it without docker://"),
        ("https://registry.example/tool", "write it without https://"),
        ("busy box", "write it without blanks"),
        ("busybox ", "write it without blanks"),
        ("busybox:", "expected REGISTRY/REPOSITORY:TAG"),
        ("busybox:a:b", "expected REGISTRY/"),
        (":1", "expected REGISTRY/"),
        ("/busybox", "expected REGISTRY/"),
        ("a//b", "expected REGISTRY/"),
        ("a..b/c", "expected REGISTRY/"),
        ("-a/b", "expected REGISTRY/"),
        ("busybox@sha256:12", "expected REGISTRY/"),
        ("busybox@" + DIGEST[:-1], "expected REGISTRY/"),
        ("<image>", "expected REGISTRY/"),
        ("{{ image }}", "monopod does not substitute {{ image }}"),
        ("registry/${NAME}:1", "monopod does not substitute ${NAME}"),
        ("uses:acme/catalog/build.yaml@main", "only Lighthouse (Jenkins X) supports uses:"),
        ("0123456789abcdef" * 4, "expected REGISTRY/"),
        ("a" * 256, "expected REGISTRY/"),
        ("a:" + "b" * 129, "expected REGISTRY/"),
        ("a" * 100_000 + "!", "expected REGISTRY/"),
        ("a-" * 290 + "!", "expected REGISTRY/"),
        ("ünïcode", "expected REGISTRY/"),
        ("busybox\n", "write it without blanks"),
    ],
)
def test_invalid_image_references(text, advice):
    problem = image_problem(text)
    assert problem is not None
    assert "is not the name of an image; " in problem
    assert advice in problem
