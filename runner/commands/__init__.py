"""The commands of `monopod`, each in a module of its own.

A command's module holds `SUMMARY` and `EXAMPLES` for the help, `add_arguments`, and `execute`, which returns the exit
code. It imports what is heavy only in `execute`: the help of all of them has to come at once.
"""
