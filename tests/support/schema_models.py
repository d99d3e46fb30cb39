"""The models of a package of foreign documents."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

from monopod.schemas.model import Model


def models_in(package: ModuleType) -> list[type[Model]]:
    """Return the models that the modules of a package define."""
    modules = [import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
    ]
