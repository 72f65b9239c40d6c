"""Faults that are planted by hand, one at a time, to see whether the short run of the tests catches each."""
