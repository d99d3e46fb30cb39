"""Files between this machine and the Workspaces of a Pod: folders that are copied to it, and files that are fetched."""
