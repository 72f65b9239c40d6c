"""The settings that only a gateway has; see `src/config.py`."""

from __future__ import annotations

from pydantic import Field

from src.config import Settings, load


class WebSettings(Settings):
    """The service's settings, and those of its web server."""

    HTTP_MAX_BODY: int = Field(
        default=1024 * 1024, ge=0, le=1024**3, description="Bytes that the body of a request may have"
    )
    HTTP_DRAIN_TIME: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="Seconds for which requests are still taken after the gateway has said that it stops, so that load "
        "balancers notice first",
    )


settings = load(WebSettings)
