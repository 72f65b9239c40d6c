"""Publishers: coroutines that create a message on an interval. See README.md beside this file."""
