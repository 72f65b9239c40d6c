"""Core NATS: `nats` calls, publishes and listens. Actions, subscribers and gateways build on this package."""
