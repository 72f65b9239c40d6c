"""One connection that outlives servers, links and credentials; `nats_client.py` sends over it."""
