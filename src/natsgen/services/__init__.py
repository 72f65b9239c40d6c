"""What is done to a service or a workspace."""
