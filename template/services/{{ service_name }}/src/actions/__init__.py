"""Actions: coroutines that answer requests. See README.md beside this file."""
