"""Start the real parts that a generated service lives with, and watch them.

NATS servers, Consul agents and generated services, as processes or as containers, with waiting on conditions,
captured output, and a clean-up that also happens when the program that uses this is killed. Plain synchronous code for
POSIX systems that needs nothing but the standard library; from a coroutine, call it through `asyncio.to_thread`.

Import from the modules: `nats_server`, `consul_agent`, `consul_api`, `service`, `containers`,
`environment`, and beneath them `processes`, `commands`, `reaper`, `waiting`, `ports`.
"""
