"""`natsgen dev`: NATS and the services of a workspace on a laptop, with reload and a page that shows what happens."""
