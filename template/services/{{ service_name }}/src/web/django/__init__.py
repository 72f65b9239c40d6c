"""The decorator `route` for Django routes, and `read` for their requests."""

from __future__ import annotations

from src.web.django.reading import read
from src.web.django.routing import route

__all__ = ["read", "route"]
