"""What must be on the server, and what is asked of it; `pull_consumer.py` receives."""
