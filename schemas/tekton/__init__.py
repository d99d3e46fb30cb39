"""Tekton's API, as documents have it."""
