"""What only tests and benchmarks need beside `natsgen.harness`: a TCP proxy, a NATS cluster, and versions."""
