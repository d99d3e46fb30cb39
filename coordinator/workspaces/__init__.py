"""The Steps of monopod's own that work on the files of a Workspace: its digest, and private views of it."""
