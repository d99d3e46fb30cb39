"""The engine: decides what runs next. Pure: it takes events and returns commands, and imports no I/O."""
