"""Caches between runs: their entries, what is in them, and the stores that keep them. Standard library only."""
