"""The gateway's application in Django, and what its routes need."""

from __future__ import annotations

from src.web.django.reading import read
from src.web.django.routing import route

__all__ = ["read", "route"]
