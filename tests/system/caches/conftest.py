"""A real registry for the stores."""

from registry_server import registry, start_registry  # noqa: F401  # fixtures
