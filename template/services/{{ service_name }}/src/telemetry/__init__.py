"""OpenTelemetry: spans and metrics of what the service receives and sends. README.md has the settings."""

from __future__ import annotations

import os

from dotenv import dotenv_values

from src.config import ENV_FILE
from src.infrastructure.nats_client import NatsClient

for name, value in dotenv_values(ENV_FILE, encoding="utf-8-sig").items():
    if name.startswith("OTEL_") and value:  # the SDK reads only the environment
        os.environ.setdefault(name, value)

TracedClient: type[NatsClient] = NatsClient
if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
    from src.telemetry import client

    TracedClient = client.TracedClient
