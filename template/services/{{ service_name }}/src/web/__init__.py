"""The gateway: HTTP on one side, the service's NATS connection on the other."""
