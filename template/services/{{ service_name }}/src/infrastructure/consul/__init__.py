"""How Consul is spoken to, by the registration and by the search for NATS servers."""
