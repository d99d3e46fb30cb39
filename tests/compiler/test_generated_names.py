"""Names that the compiler generates: readable and unique DNS labels."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.pod.generated_names import MAX_CONTAINER_NAME, container_name, label_value, slot_name, volume_name

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
WORDS = st.lists(st.text(alphabet="aAb-._ é1", max_size=80) | st.text(max_size=20), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("path", "index", "name"),
    [(("build",), None, "build"), (("deploy", "smoke-test"), None, "deploy-smoke-test"), (("test",), 0, "test-0")],
)
def test_slot_is_named_after_its_task(path: tuple[str, ...], index: int | None, name: str) -> None:
    assert slot_name(path, index, set()) == name


def test_index_of_a_slot_survives_truncation() -> None:
    taken: set[str] = set()
    names = [slot_name(("a-very-long-name-of-a-task-that-has-many-words",), index, taken) for index in (7, 8)]
    assert [name[-2:] for name in names] == ["-7", "-8"]
    assert all(name.startswith("a-very-long-name-of") for name in names)


def test_truncated_container_name_keeps_both_parts() -> None:
    name = container_name("integration-tests-of-the-payment-gateway", "collect-the-coverage-of-all-runs", set())
    assert name.startswith("integration-")
    assert name.endswith("-collect-the-coverage-of-all-runs")
    assert len(name) <= MAX_CONTAINER_NAME


def test_equal_names_are_made_unique() -> None:
    taken: set[str] = set()
    first, second = container_name("a-b", "c", taken), container_name("a", "b-c", taken)
    assert first == "a-b-c"
    assert second.startswith("a-b-c-")
    assert taken == {first, second}


@given(st.lists(st.tuples(WORDS, st.none() | st.integers(0, 999)), max_size=8))
def test_slot_names_are_short_unique_and_reproducible(slots: list[tuple[list[str], int | None]]) -> None:
    taken: set[str] = set()
    names = [slot_name(path, index, taken) for path, index in slots]
    assert len(set(names)) == len(slots)
    assert all(DNS_LABEL.fullmatch(name) and len(name) <= 40 for name in names)
    again: set[str] = set()
    assert names == [slot_name(path, index, again) for path, index in slots]


@given(st.lists(st.tuples(st.text(max_size=70), st.text(max_size=70)), max_size=8))
def test_containers_and_their_volumes_are_unique_labels(pairs: list[tuple[str, str]]) -> None:
    containers: set[str] = set()
    volumes: set[str] = set()
    for slot, step in pairs:
        name = container_name(slot, step, containers)
        assert DNS_LABEL.fullmatch(name)
        assert name != "coordinator"
        volume = volume_name(("control", name), volumes)
        assert DNS_LABEL.fullmatch(volume)
        assert len(volume) <= 63
        assert volume.startswith("control-")
    assert len(containers) == len(volumes) == len(pairs)


@given(st.text(max_size=100))
def test_any_text_becomes_a_label_value(text: str) -> None:
    value = label_value(text)
    assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?", value)
    assert len(value) <= 63


def test_valid_label_value_is_not_changed() -> None:
    assert label_value("team.Build_1") == "team.Build_1"
