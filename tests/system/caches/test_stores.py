"""Opening a store by its name."""

from __future__ import annotations

import pytest

from monopod.system.caches.store import StoreError
from monopod.system.caches.stores import open_store


def test_a_login_that_cannot_be_read_is_an_error(tmp_path):
    login = tmp_path / "config.json"
    with pytest.raises(StoreError, match="cannot read the login for the registry: No such file"):
        open_store("oci:registry.example/a", {"login": str(login)})
    login.write_bytes(b"\xff")
    with pytest.raises(StoreError, match="cannot read the login for the registry: the Secret is not JSON"):
        open_store("oci:registry.example/a", {"login": str(login)})


@pytest.mark.parametrize("name", ["", "dir:relative", "s3://bucket"])
def test_an_unknown_store_is_an_error(name):
    with pytest.raises(StoreError, match="unknown store"):
        open_store(name, {})
