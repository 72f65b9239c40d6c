"""Rendering a template with answers, and which templates may be rendered."""
