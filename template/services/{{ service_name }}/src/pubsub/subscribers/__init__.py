"""Subscribers: coroutines that receive core NATS messages. See README.md beside this file."""
