"""The documents of other systems that monopod reads: Argo, Furiko, Knative Build and Tekton Triggers.

Each module is imported only when a file holds a document of its system.
"""
