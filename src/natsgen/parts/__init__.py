"""The parts of a service: their kinds and rules, and how to read them from source."""
