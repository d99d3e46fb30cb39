"""The files of volumes that are known before the Pod starts."""

from __future__ import annotations

import base64

import pytest

from monopod.runner.kubelet.environment import Machine, Sources, UnresolvedError
from monopod.runner.kubelet.projection import config_map_files, downward_files, projected_files, secret_files

SOURCES = Sources(
    {"metadata": {"name": "p", "labels": {"a": "1"}}, "spec": {"containers": []}},
    {"c": {"data": {"a": "A", "b": "B"}, "binaryData": {"raw": base64.b64encode(b"\xff").decode()}}},
    {"s": {"data": {"k": base64.b64encode(b"K").decode()}}},
    Machine("node", "10.0.0.1", 1, 1),
)


def files(found):
    return {file.path: (file.data, file.mode) for file in found}


def test_every_key_is_a_file():
    assert files(config_map_files({"name": "c"}, SOURCES)) == {
        "a": (b"A", 0o644),
        "b": (b"B", 0o644),
        "raw": (b"\xff", 0o644),
    }
    assert files(secret_files({"secretName": "s", "defaultMode": 0o400}, SOURCES)) == {"k": (b"K", 0o400)}


def test_items_select_and_rename_keys():
    source = {"name": "c", "items": [{"key": "a", "path": "deep//a", "mode": 0o600}, {"key": "b", "path": "./b"}]}
    assert files(config_map_files(source, SOURCES)) == {"deep/a": (b"A", 0o600), "b": (b"B", 0o644)}


def test_optional_sources_and_keys_may_be_missing():
    assert config_map_files({"name": "no", "optional": True}, SOURCES) == ()
    source = {"secretName": "s", "items": [{"key": "no", "path": "x"}]}
    assert secret_files({**source, "optional": True}, SOURCES) == ()
    with pytest.raises(UnresolvedError, match="Secret 's' has no key 'no'"):
        secret_files(source, SOURCES)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_path_stays_inside_the_volume(path):
    with pytest.raises(UnresolvedError, match="not a path inside"):
        config_map_files({"name": "c", "items": [{"key": "a", "path": path}]}, SOURCES)


def test_later_source_of_a_projected_volume_wins():
    source = {
        "defaultMode": 0o440,
        "sources": [
            {"configMap": {"name": "c"}},
            {"secret": {"name": "s", "items": [{"key": "k", "path": "a"}]}},
            {"downwardAPI": {"items": [{"path": "b", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o444}]}},
        ],
    }
    assert files(projected_files(source, SOURCES)) == {"a": (b"K", 0o440), "b": (b"p", 0o444), "raw": (b"\xff", 0o440)}


def test_token_needs_a_cluster():
    with pytest.raises(UnresolvedError, match="serviceAccountToken needs a cluster"):
        projected_files({"sources": [{"serviceAccountToken": {"path": "t"}}]}, SOURCES)


def test_downward_files():
    source = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    assert files(downward_files(source, SOURCES)) == {"labels": (b'a="1"', 0o644)}
