"""Running a recorded run again: what of it is reused, and what must run."""
