"""Following a run: what is known of it, whose output is whose, and in which order both are shown."""
