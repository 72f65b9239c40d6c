"""The commands that add a part to a service or remove one."""
