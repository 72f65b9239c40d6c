"""Renders templates, and decides which ones may be rendered."""
