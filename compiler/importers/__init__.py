"""Documents of other systems, translated to Tekton's.

An importer is pure: it takes a document as plain data and returns Tekton documents, with the origin of each value.
Only ``git_checkout`` reads something else: the git checkout that a file is in.
"""
