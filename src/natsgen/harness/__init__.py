"""Starting and watching the servers and services that natsgen tests with.

Starts NATS servers, Consul agents and generated services, as processes or containers, waits for conditions, captures
output, and cleans up even if the calling program is killed. Synchronous code for POSIX systems that needs only the
standard library; from a coroutine, call it through `asyncio.to_thread`.

Import from the modules: `nats_server`, `consul_agent`, `consul_api`, `service`, `containers`, `environment`; they use
`processes`, `commands`, `reaper`, `waiting` and `ports`.
"""
