"""The documents of other systems that monopod reads: Argo, Knative Build and Furiko.

Each module is imported only when a file holds a document of its system.
"""
