"""Secrets that the user gives to a run: with ``--secret``, and in files of lines such as ``.secrets``."""
