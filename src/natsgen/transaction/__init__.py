"""Atomic changes of a workspace."""
