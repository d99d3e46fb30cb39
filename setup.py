"""Adds to the build what pyproject.toml cannot say: the entrypoint's binaries are compiled into the package."""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithEntrypoint(build_py):
    """Compiles the entrypoint: into the built package, or into the checkout for an editable install."""

    def run(self) -> None:
        """Build the Python part, then the binaries."""
        super().run()
        specification = importlib.util.spec_from_file_location("build_entrypoint", HERE / "entrypoint" / "build.py")
        assert specification is not None
        assert specification.loader is not None
        builder = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(builder)
        package = HERE if self.editable_mode else Path(self.build_lib) / "monopod"
        builder.build_all(package / "entrypoint" / "bin", self.distribution.get_version())


setup(cmdclass={"build_py": BuildWithEntrypoint})
