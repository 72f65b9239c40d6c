"""Dead letters on a NATS server: read, replayed, purged, and carried from one server to another.

A dead letter is a message of the stream `DLQ` on `dlq.<service>.<handler>`, as a generated worker keeps it. Its ID is
its sequence in that stream. Everything in a letter may come from anyone: nothing here trusts it.

nats-py is imported by `connection` alone, which commands import when they run.
"""
