"""What the template asks, and where each answer comes from."""
