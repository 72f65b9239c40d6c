"""The template's questions, and the sources of their answers."""
