"""The files that configure monopod for a repository."""
