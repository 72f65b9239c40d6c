"""Describes what the services of a workspace send each other: the map, and their AsyncAPI documents."""
