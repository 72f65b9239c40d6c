"""What a handler, an action or a script may want beyond events and calls; a service that imports none of it has none.

Everything here goes over the worker's own connection, or in a script over that of `src.toolkit.sync`.
"""
