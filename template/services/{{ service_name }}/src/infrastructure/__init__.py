"""Everything between NATS, Consul and HTTP and the handlers. main.py wires it; README.md lists the files."""
