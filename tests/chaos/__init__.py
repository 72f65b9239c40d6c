"""Faults on purpose: a generated worker under traffic while what it stands on is killed, frozen, cut off or deleted.

`rows` says what is tried and what must hold, `faults` how each fault is done, `run` runs one row, `verdict` counts what
came of it. The short form of every row is a test here; `python -m tests.chaos` (`make chaos`) runs the long form and
writes docs/reliability.md.
"""
