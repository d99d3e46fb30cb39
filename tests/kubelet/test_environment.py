"""The environment of a container, and the expansion of references, against Kubernetes' rules."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.kubelet.environment import (
    Machine,
    Sources,
    UnresolvedError,
    container_environment,
    expand,
    expand_strictly,
    field_value,
    resource_value,
)

MACHINE = Machine("node", "10.0.0.1", processors=4, memory=8 << 30)


def expanded_character_by_character(text, variables):
    """Expand character by character, following the Kubernetes API's description of command literally."""
    result, rest = "", text
    while rest:
        if rest.startswith("$$"):
            result, rest = result + "$", rest[2:]
        elif rest.startswith("$(") and ")" in rest:
            name = rest[2 : rest.index(")")]
            result += variables.get(name, f"$({name})")
            rest = rest[rest.index(")") + 1 :]
        else:
            result, rest = result + rest[0], rest[1:]
    return result


@given(
    st.text(alphabet="$()AB x", max_size=30),
    st.dictionaries(st.sampled_from(["A", "B", "AB", "", "A(B"]), st.sampled_from(["", "$(A)", "$$", "value"])),
)
def test_expansion_agrees_with_a_simple_implementation(text, variables):
    assert expand(text, variables.get) == expanded_character_by_character(text, variables)


def sources(**fields):
    pod = {
        "metadata": {
            "name": "p",
            "namespace": "ns",
            "uid": "u",
            "labels": {"a": "1", "b": 'say "hi"\\\n'},
            "annotations": {"k": "v"},
        },
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]},
    }
    return Sources(pod, fields.get("config_maps", {}), fields.get("secrets", {}), MACHINE)


def environment(container, **fields):
    return container_environment({"name": "c", **container}, sources(**fields))


def test_later_entries_win_and_see_earlier_ones():
    variables, warnings = environment(
        {
            "envFrom": [
                {"configMapRef": {"name": "one"}},
                {"prefix": "P_", "configMapRef": {"name": "one"}},
                {"secretRef": {"name": "two"}},
            ],
            "env": [
                {"name": "LATER", "value": "$(A) $(P_A) $(AFTER) $$(A)"},
                {"name": "AFTER", "value": "x"},
                {"name": "C", "value": "own"},
                {"name": "EMPTY"},
            ],
        },
        config_maps={"one": {"data": {"A": "a", "C": "c"}}},
        secrets={"two": {"data": {"A": base64.b64encode(b"secret").decode()}, "stringData": {"S": "s"}}},
    )
    assert variables == {
        "A": "secret",
        "C": "own",
        "S": "s",
        "P_A": "a",
        "P_C": "c",
        "LATER": "secret a $(AFTER) $(A)",
        "AFTER": "x",
        "EMPTY": "",
    }
    assert warnings == []


def test_values_from_references_are_not_expanded():
    reference = {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
    variables, _ = environment({"env": [reference]}, config_maps={"c": {"data": {"k": "$(HOME)"}}})
    assert variables == {"X": "$(HOME)"}


@pytest.mark.parametrize(
    "reference",
    [
        {"configMapKeyRef": {"name": "gone", "key": "k", "optional": True}},
        {"secretKeyRef": {"name": "s", "key": "gone", "optional": True}},
    ],
)
def test_optional_references_may_be_missing(reference):
    variables, _ = environment({"env": [{"name": "X", "valueFrom": reference}]}, secrets={"s": {}})
    assert variables == {}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]}, "no ConfigMap 'no'"),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "no"}}}]}, "'s' has no key 'no'"),
        ({"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.no"}}}]}, "no field 'spec.no'"),
        ({"envFrom": [{"secretRef": {"name": "no"}}]}, "no Secret 'no'"),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "binary"}}}]}, "not UTF-8 text"),
        ({"envFrom": [{"secretRef": {"name": "broken"}}]}, "not base64"),
        ({"env": [{"name": "X", "value": "a\0b"}]}, "contains a NUL"),
    ],
)
def test_unresolvable_references_are_reported(container, message):
    secrets = {"s": {"data": {"binary": base64.b64encode(b"\xff").decode()}}, "broken": {"data": {"k": "?"}}}
    with pytest.raises(UnresolvedError, match=message):
        environment(container, secrets=secrets)


def test_invalid_variable_names_are_skipped_with_a_warning():
    variables, warnings = environment(
        {"envFrom": [{"configMapRef": {"name": "c"}}]}, config_maps={"c": {"data": {"a=b": "1", "ok.name-1": "2"}}}
    )
    assert variables == {"ok.name-1": "2"}
    assert "'a=b'" in warnings[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u"),
        ("metadata.labels['a']", "1"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['k']", "v"),
        ("metadata.labels", 'a="1"\nb="say \\"hi\\"\\\\\\n"'),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "10.0.0.1"),
        ("status.hostIP", "10.0.0.1"),
    ],
)
def test_fields_of_the_downward_api(path, value):
    assert field_value(path, sources()) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.cpu"}, "2"),
        ({"resource": "requests.memory"}, "0"),
        ({"resource": "limits.memory"}, str(8 << 30)),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "limits.memory", "divisor": "1Mi", "containerName": "c"}, "1024"),
    ],
)
def test_resources_of_the_downward_api(reference, value):
    assert resource_value(reference, {"resources": {"limits": {"cpu": "1500m"}}}, sources()) == value


@pytest.mark.parametrize("reference", [{"resource": "limits.gpus"}, {"resource": "limits.cpu", "containerName": "no"}])
def test_unknown_resources(reference):
    with pytest.raises(UnresolvedError):
        resource_value(reference, {}, sources())


def test_sub_path_needs_all_its_variables():
    assert expand_strictly("a/$(X)/$$", {"X": "b"}.get) == "a/b/$"
    with pytest.raises(UnresolvedError, match="'Y'"):
        expand_strictly("$(Y)", {"X": "b"}.get)
