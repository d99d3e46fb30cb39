"""How a run is shown: on a terminal, as lines, in a CI system's log."""
