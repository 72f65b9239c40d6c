"""The gateway from HTTP to NATS. See README.md beside this file."""
