"""Requests and replies: the actions that the service answers, and `nats` for what it asks, tells and hears itself.

A service without actions that imports none of it has none. Read `action.py` first, then `server.py`, `runner.py`
and `answers.py` for a request on its way; the caller's side is `nats.py`, `replies.py` and `listeners.py`.
"""
