"""Merges intervals."""
