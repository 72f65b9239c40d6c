"""The gateway's application in FastAPI, and what its routes need."""

from __future__ import annotations

from src.web.fastapi.connection import Connection

__all__ = ["Connection"]
