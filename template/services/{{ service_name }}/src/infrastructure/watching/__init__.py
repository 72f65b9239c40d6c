"""What is counted, shown and watched; `http_server.py`, `metrics.py` and `consul_client.py` show it."""
