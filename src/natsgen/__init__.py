"""natsgen: generates NATS JetStream workers that run, survive and stay current."""

# The one place for the version at run time: reading the package's metadata would double the start-up, and a checkout
# has none. A test holds it equal to pyproject.toml.
__version__ = "0.1.0"
