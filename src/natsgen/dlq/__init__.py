"""Reading, replaying, purging, exporting and importing dead letters on a NATS server.

A dead letter is a message that a generated worker stored in the stream `DLQ` on `dlq.<service>.<handler>`. Its ID is
its sequence in that stream. Anyone may have written a dead letter, so its content is never trusted.

Only `connection`, `command` and `reading` import nats-py; commands import them when they run.
"""
