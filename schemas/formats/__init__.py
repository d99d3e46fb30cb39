"""Formats that Go, Kubernetes and people write values in, each read and written by one module."""
