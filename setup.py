"""Compiles the entrypoint for every machine (entrypoint/build.py), which pyproject.toml cannot express."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError

ROOT = Path(__file__).parent


def load_builder():
    """Load entrypoint/build.py by its path: monopod is not installed yet."""
    spec = importlib.util.spec_from_file_location("build_entrypoint", ROOT / "entrypoint" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildWithEntrypoint(build_py):
    """Builds `bin/entrypoint-<machine>` in the wheel, or in the source tree of an editable install."""

    def run(self):
        """Copy the packages, then build the binaries, replacing those copied from the source tree."""
        super().run()
        builder = load_builder()
        try:
            builder.build_all(self.binaries(), self.distribution.get_version())
        except builder.BuildError as error:
            raise CompileError(str(error)) from error

    def binaries(self):
        """Return the folder for the binaries."""
        root = ROOT if self.editable_mode else Path(self.build_lib, "monopod")
        return root / "entrypoint" / "bin"

    def get_outputs(self, include_bytecode=True):
        """Return the files of the package, including the binaries."""
        if self.editable_mode:
            return super().get_outputs(include_bytecode)
        binaries = [str(self.binaries() / f"entrypoint-{machine}") for machine in load_builder().TARGETS]
        return list(dict.fromkeys([*super().get_outputs(include_bytecode), *binaries]))


setup(cmdclass={"build_py": BuildWithEntrypoint})
