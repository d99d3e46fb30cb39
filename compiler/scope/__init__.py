"""What a reference means at a place: params, variables, names, and their known values."""
