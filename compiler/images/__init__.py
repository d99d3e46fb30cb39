"""ENTRYPOINT and CMD of images, for Steps and Sidecars without script and command.

There is a module for each source: ``config_files``, ``local_engines`` and ``registry_images``.
"""
