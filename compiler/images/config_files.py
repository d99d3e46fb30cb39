"""Files with image configurations (``--image-config``, docs/images.md), to compile without an engine or a registry.

Rules:

- A file maps image names to configurations, or it is the output of ``podman image inspect`` or ``docker image
  inspect``, which contains the names.
- Two configurations of one image must be equal.

Left to others: the format of a configuration (``image_config``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from monopod.compiler.diagnostics import Position, Problem
from monopod.compiler.documents import yaml_files, yaml_tree
from monopod.compiler.documents.validation import describe
from monopod.compiler.images.image_config import ConfigError, ImageConfig, is_config, read_config
from monopod.compiler.images.image_names import identity
from monopod.compiler.remote.image_name import ImageName
from monopod.schemas.model import Path, format_path


class ConfigFiles:
    """The image configurations in the files, and the problems with the files."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.problems: list[Problem] = []
        self._configs: dict[tuple[str, str], tuple[ImageConfig, Position]] = {}
        for path in paths:
            trees, problems = yaml_files.read_file(path)
            self.problems += problems
            for tree in trees:
                self._take(_Reading(path, tree.marks), tree.data)

    def find(self, name: ImageName) -> ImageConfig | None:
        """Return the configuration of an image, or None if no file has one."""
        config_and_place = self._configs.get(identity(name))
        return None if config_and_place is None else config_and_place[0]

    def _take(self, reading: _Reading, data: Any) -> None:
        """Add the content of a file."""
        if data in ([], {}):
            self.problems.append(reading.problem((), "the file contains no image configuration"))
        elif isinstance(data, list):
            for index, item in enumerate(data):
                self._take_named(reading, (index,), item)
        elif is_config(data):
            self._take_named(reading, (), data)
        elif isinstance(data, dict):
            for text, value in data.items():
                self._take_under_name(reading, text, value)
        else:
            message = f"expected a mapping from image names to configurations, got {describe(data)}"
            self.problems.append(reading.problem((), message))

    def _take_under_name(self, reading: _Reading, text: str, value: Any) -> None:
        path: Path = (text,)
        if isinstance(value, list):
            if len(value) != 1:
                message = f"expected the configuration of one image, got {len(value)}"
                self.problems.append(reading.problem(path, message))
                return
            path, value = (text, 0), value[0]
        config = self._config(reading, path, value)
        if config is not None:
            self._add(reading, [text], config, (text,), at_key=True)

    def _take_named(self, reading: _Reading, path: Path, value: Any) -> None:
        """Add a configuration that contains the names of its image."""
        config = self._config(reading, path, value)
        if config is None:
            return
        if config.names:
            self._add(reading, config.names, config, path)
        else:
            message = "the configuration has no image name; put it under the name, as in 'alpine:3: {…}'"
            self.problems.append(reading.problem(path, message))

    def _config(self, reading: _Reading, path: Path, value: Any) -> ImageConfig | None:
        try:
            return read_config(value)
        except ConfigError as error:
            self.problems.append(reading.problem((*path, *error.path), str(error), at_key=error.at_key))
            return None

    def _add(
        self, reading: _Reading, names: Iterable[str], config: ImageConfig, path: Path, *, at_key: bool = False
    ) -> None:
        for text in names:
            try:
                name = ImageName.parse(text)
            except ValueError as error:
                self.problems.append(reading.problem(path, str(error), at_key=at_key))
                continue
            first, where = self._configs.setdefault(identity(name), (config, reading.position(path, at_key=at_key)))
            if first.program != config.program:
                message = f"the image {text} has a different configuration at {where}; keep one of them"
                self.problems.append(reading.problem(path, message, at_key=at_key))


class _Reading:
    """A value in a file, with its position."""

    def __init__(self, file: str, marks: yaml_tree.Place | yaml_tree.Marks) -> None:
        self._file = file
        self._marks = marks

    def position(self, path: Path, *, at_key: bool = False) -> Position:
        line, column = yaml_tree.find(self._marks, path, key=at_key)
        return Position(self._file, line + 1, column + 1)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        text = f"{format_path(path)}: {message}" if path else message
        return Problem(self.position(path, at_key=at_key), text, "image-config")
