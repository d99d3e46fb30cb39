"""What a reference means where it stands: params, variables, names, and what is known of their values."""
