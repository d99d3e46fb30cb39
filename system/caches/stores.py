"""Opening a store by its name: ``dir:PATH``, or ``oci:REGISTRY/REPOSITORY``.

Options of a registry: ``login`` is a file with Docker's config.json, ``scratch`` a directory for temporary files.
"""

from __future__ import annotations

from collections.abc import Mapping

from monopod.system.caches.store import Store, StoreError


def open_store(name: str, options: Mapping[str, str]) -> Store:
    """Return the store with a name. Raises StoreError."""
    kind, _, rest = name.partition(":")
    if kind == "dir" and rest.startswith("/"):
        from monopod.system.caches.directory_store import DirectoryStore  # noqa: PLC0415  # only one of them is needed

        return DirectoryStore(rest)
    if kind == "oci":
        from monopod.system.caches.registry_client import login_in  # noqa: PLC0415  # it imports urllib
        from monopod.system.caches.registry_store import RegistryStore  # noqa: PLC0415

        host, _, repository = rest.partition("/")
        configuration = _read(options["login"]) if "login" in options else ""
        return RegistryStore(host, repository, login_in(configuration, rest), options.get("scratch"))
    raise StoreError(f"unknown store {name}")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise StoreError(f"cannot read the login for the registry: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError("cannot read the login for the registry: the Secret is not JSON") from error
