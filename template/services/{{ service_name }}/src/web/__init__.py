"""The gateway: HTTP on one side, the NATS connection on the other. See README.md beside this file."""
