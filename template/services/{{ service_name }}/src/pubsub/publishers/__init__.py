"""Publishers: coroutines that create a message again and again. See README.md beside this file."""
