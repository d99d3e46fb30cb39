"""The Pod of a run: its containers, volumes, resources and metadata, and the object that hands it to a cluster."""
