"""A program that prints prices."""
