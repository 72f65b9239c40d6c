"""From a payload to a handler, and what is remembered of it; `delivery.py` decides."""
