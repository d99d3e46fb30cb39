"""A first Pipeline for a project: what the project is made of, and the files that `monopod init` writes."""
