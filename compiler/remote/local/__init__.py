"""References that are read from directories of this machine instead of being fetched."""
