"""Versions of Kubernetes, as users and clusters write them."""

from __future__ import annotations

import pytest

from monopod.compiler.pod.kube_version import KubeVersion


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.36", (1, 36)), ("v1.36.2", (1, 36)), ("v1.31.4-eks-2d5f260", (1, 31)), ("1.28+", (1, 28)), ("1.25", (1, 25))],
)
def test_version_formats(text: str, version: tuple[int, int]) -> None:
    assert KubeVersion.parse(text) == version
    assert str(KubeVersion.parse(text)) == f"{version[0]}.{version[1]}"


@pytest.mark.parametrize("text", ["", "1", "1.x", "latest", "1.36 ", "-1.36", "1.36rc"])
def test_invalid_versions(text: str) -> None:
    with pytest.raises(ValueError, match="expected one such as"):
        KubeVersion.parse(text)


def test_too_old() -> None:
    with pytest.raises(ValueError, match=r"1\.25 and later, not on v1\.24\.1"):
        KubeVersion.parse("v1.24.1")


def test_native_sidecars_since_1_29() -> None:
    assert [KubeVersion(1, minor).has_native_sidecars for minor in (25, 28, 29, 36)] == [False, False, True, True]
