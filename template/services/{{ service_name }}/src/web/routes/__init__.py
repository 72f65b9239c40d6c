"""The routes: one file each, found by its name."""
