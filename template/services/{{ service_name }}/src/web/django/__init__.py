"""What a route in Django uses: the decorator `route`, and `read` for the request."""

from __future__ import annotations

from src.web.django.reading import read
from src.web.django.routing import route

__all__ = ["read", "route"]
