"""Changing a workspace whole or not at all."""
