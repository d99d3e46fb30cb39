"""What the image of a Step or Sidecar says to run, for one that does not say it itself.

A module for each place that can tell: ``config_files``, ``local_engines`` and ``registry_images``.
"""
