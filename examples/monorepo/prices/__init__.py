"""Prices of goods."""
