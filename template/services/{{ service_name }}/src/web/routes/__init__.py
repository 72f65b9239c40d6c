"""The routes: a file each, found by its name."""
