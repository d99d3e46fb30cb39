"""Packing: which Steps share a container, and how few containers that takes."""
