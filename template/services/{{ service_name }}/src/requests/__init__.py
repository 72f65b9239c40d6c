"""Core NATS: `nats` calls, publishes and subscribes. Actions, subscribers and gateways use this package."""
