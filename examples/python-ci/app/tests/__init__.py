"""The tests of mdlinks: ``python3 -m unittest`` in the folder above runs them."""
