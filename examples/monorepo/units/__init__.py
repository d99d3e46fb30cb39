"""Units of weight."""
