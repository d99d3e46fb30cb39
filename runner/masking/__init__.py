"""Masking: secret values are replaced in everything that a run shows or stores."""
