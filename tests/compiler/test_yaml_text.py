"""YAML that monopod writes, read back by PyYAML."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.yaml_text import to_yaml

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]
TRICKY = ["yes", "No", "~", "null", "1e3", "0x1f", "12:30", "2001-01-01", "1_000", "<<", "=", "100m", "1Gi", ".inf"]
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=" \n\t\r#:-ab1.%~'\"\\|>{}[],&*!?=\x7f\x85\u2028\ufeff\U0001f600"),
    st.sampled_from(TRICKY),
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = TEXTS | NUMBERS | st.booleans() | st.none()
VALUES = st.recursive(LEAVES, lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXTS, each, max_size=4))


@pytest.mark.parametrize("loader", LOADERS)
@given(value=st.dictionaries(TEXTS, VALUES, max_size=4))
def test_written_yaml_is_read_back(loader: Any, value: dict[str, Any]) -> None:
    assert yaml.load(to_yaml(value), Loader=loader) == value


def test_output_is_idiomatic_yaml() -> None:
    value = {
        "metadata": {"name": "run-1", "labels": {}, "annotations": {"on": "true", "note": "two\n  lines\n"}},
        "args": ["--format", "human", "echo $(date) > x", "", 3],
        "volumeMounts": [{"name": "bin", "mountPath": "/monopod/bin", "readOnly": True}, [["a"]]],
        "image": "registry.example.com/a/b:1.2@sha256:00",
        "memory": "64Mi",
    }
    assert to_yaml(value) == (
        "metadata:\n"
        "  name: run-1\n"
        "  labels: {}\n"
        "  annotations:\n"
        '    "on": "true"\n'
        "    note: |\n"
        "      two\n"
        "        lines\n"
        "args:\n"
        "- --format\n"
        "- human\n"
        '- "echo $(date) > x"\n'
        '- ""\n'
        "- 3\n"
        "volumeMounts:\n"
        "- name: bin\n"
        "  mountPath: /monopod/bin\n"
        "  readOnly: true\n"
        "-\n"
        "  -\n"
        "    - a\n"
        "image: registry.example.com/a/b:1.2@sha256:00\n"
        "memory: 64Mi\n"
    )


def test_long_text_stays_on_one_line() -> None:
    assert to_yaml({"args": ["eNr" + "A" * 100_000]}).count("\n") == 2
