"""ConfigMaps, Secrets and LimitRanges."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from monopod.schemas.formats import quantity
from monopod.schemas.formats.object_names import key_problem
from monopod.schemas.formats.quantity import Quantity
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import ListOf, Model, Path


def _key_problems(*fields: tuple[str, dict[str, str]]) -> Iterator[tuple[Path, str]]:
    for field, data in fields:
        for key in data:
            if (message := key_problem(key)) is not None:
                yield (field, key), message


class ConfigMap(Model):
    """A ConfigMap."""

    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    data: dict[str, str] = Field(default_factory=dict)
    binary_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Keys must be valid file names."""
        yield from _key_problems(("data", self.data), ("binaryData", self.binary_data))


class Secret(Model):
    """A Secret."""

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    type: str | None = None
    data: dict[str, str] = Field(default_factory=dict)
    string_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Keys that can be names of files."""
        yield from _key_problems(("data", self.data), ("stringData", self.string_data))


class LimitRangeItem(Model):
    """The limits for one type: for each ``Container``, each ``Pod``, and others."""

    type: Annotated[str, Field(min_length=1)]
    default: dict[str, Quantity] = Field(default_factory=dict)
    default_request: dict[str, Quantity] = Field(default_factory=dict)
    max: dict[str, Quantity] = Field(default_factory=dict)
    max_limit_request_ratio: dict[str, Quantity] = Field(default_factory=dict)
    min: dict[str, Quantity] = Field(default_factory=dict)

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Limits must be consistent (Kubernetes API, LimitRangeItem)."""
        if self.type == "Pod":
            for name, given in (("default", self.default), ("defaultRequest", self.default_request)):
                if given:
                    yield (name,), "the type Pod has no defaults; set them with the type Container"
        for low, high in (("min", "max"), ("min", "default"), ("defaultRequest", "default"), ("default", "max")):
            yield from self._not_below(low, high)

    def _not_below(self, low: str, high: str) -> Iterator[tuple[Path, str]]:
        amounts = {"min": self.min, "max": self.max, "default": self.default, "defaultRequest": self.default_request}
        for name, amount in amounts[low].items():
            other = amounts[high].get(name)
            if other is not None and quantity.parse(amount) > quantity.parse(other):
                yield (low, name), f"{amount} is more than {high}.{name}, {other}"


class LimitRangeSpec(Model):
    """The limits of a LimitRange."""

    limits: ListOf[LimitRangeItem]

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Each type occurs once (Kubernetes' validation of LimitRanges)."""
        seen = set()
        for index, item in enumerate(self.limits):
            if item.type in seen:
                yield ("limits", index, "type"), f"there is already an item of the type {item.type}; merge them"
            seen.add(item.type)


class LimitRange(Model):
    """Limits and defaults for the resources of the containers and Pods in a namespace."""

    api_version: Literal["v1"] | None = None
    kind: Literal["LimitRange"] | None = None
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: LimitRangeSpec | None = None
