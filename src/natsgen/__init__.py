"""natsgen: generates NATS JetStream services and keeps them up to date."""

# The version at run time. Reading the package's metadata would double the start-up time, and a checkout has none. A
# test checks that it equals the version in pyproject.toml.
__version__ = "0.4.0"
