"""Runs a compiled Pod and follows it."""
