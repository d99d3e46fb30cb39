"""Finds links in Markdown files that lead nowhere: to a file that is not there, or to a heading that is not there."""

VERSION = "1.0"
COMMIT = "unknown"  # the build writes the commit id here
