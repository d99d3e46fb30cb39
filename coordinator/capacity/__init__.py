"""Lowering the requests of the Pod in which the coordinator runs (docs/capacity.md)."""
