"""Methods of dataclasses that are compiled when they are first called."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from dataclasses import FrozenInstanceError, asdict, field, replace

import pytest

from monopod.system.lazy_methods import compile_methods_lazily


@pytest.fixture(params=[False, True], ids=["as Python does it", "lazily"])
def dataclass(request):
    """The decorator, in both ways: each test holds for both."""
    if request.param:
        compile_methods_lazily()
    yield dataclasses.dataclass
    vars(dataclasses).pop("exec", None)


def point(dataclass, **options):
    @dataclass(**{"frozen": True, "slots": True, **options})
    class Point:
        """A point."""

        x: int
        y: tuple[int, ...] = ()
        names: dict[str, int] = field(default_factory=dict, compare=False)

    return Point


def test_instance_has_its_fields(dataclass):
    kind = point(dataclass)
    assert [(each.x, each.y, each.names) for each in (kind(1), kind(2, (3,), names={"a": 1}))] == [
        (1, (), {}),
        (2, (3,), {"a": 1}),
    ]
    assert kind(1).names is not kind(1).names
    assert replace(kind(1), x=5).x == 5
    assert asdict(kind(1)) == {"x": 1, "y": (), "names": {}}


def test_wrong_arguments_are_refused_with_the_name_of_the_class(dataclass):
    kind = point(dataclass)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
            kind()
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            kind(1, z=2)


def test_instances_are_compared_hashed_and_shown(dataclass):
    kind = point(dataclass, order=True)
    assert kind(1) == kind(1, names={"b": 2})
    assert kind(1) != kind(2)
    assert kind(1) < kind(1, (1,)) <= kind(2)
    assert hash(kind(1)) == hash(kind(1))
    assert [repr(kind(1)).rpartition(".")[2] for _ in range(2)] == ["Point(x=1, y=(), names={})"] * 2


def test_frozen_instance_is_not_changed(dataclass):
    a_point = point(dataclass)(1)
    for _ in range(2):
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
            a_point.x = 2
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
            del a_point.x


def test_derived_class_has_methods_of_its_own(dataclass):
    kind = point(dataclass)

    @dataclass(frozen=True, slots=True)
    class Named(kind):
        name: str = "origin"

    assert (Named(1).name, Named(2, name="a").x) == ("origin", 2)
    assert Named(1) != kind(1)
    assert repr(Named(1, name="a")).endswith("Named(x=1, y=(), names={}, name='a')")


def test_method_that_a_class_calls_itself_is_the_same(dataclass):
    @dataclass
    class Counted:
        number: int

        def __post_init__(self):
            self.number += 1

    @dataclass
    class Longer(Counted):
        text: str = ""

        def __init__(self, number):
            super().__init__(number)
            self.text = "x" * self.number

    assert [Longer(number).text for number in (1, 2)] == ["xx", "xxx"]


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    x: int


def test_other_classes_are_left_alone():
    before = Plain.__init__
    compile_methods_lazily()
    try:
        assert Plain.__init__ is before
        assert pickle.loads(pickle.dumps(Plain(1))) == copy.copy(Plain(1)) == Plain(1)
    finally:
        vars(dataclasses).pop("exec", None)


def test_method_replaces_its_stand_in():
    compile_methods_lazily()
    try:
        kind = point(dataclasses.dataclass)
        stand_in = kind.__init__
        kind(1)
        method = kind.__init__
        kind(2)
        assert stand_in is not method
        assert kind.__init__ is method
        assert method.__code__.co_varnames == ("self", "x", "y", "names")
    finally:
        vars(dataclasses).pop("exec", None)


def test_first_calls_may_come_from_several_threads(dataclass):
    kind = point(dataclass)
    start, made = threading.Barrier(4), []

    def make(number):
        start.wait()
        made.append(kind(number))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.x for each in made) == [0, 1, 2, 3]


def test_text_in_another_form_is_compiled_at_once():
    compile_methods_lazily()
    try:
        namespace = {}
        vars(dataclasses)["exec"]("x = 1", {}, namespace)
        assert namespace["x"] == 1
    finally:
        vars(dataclasses).pop("exec", None)
