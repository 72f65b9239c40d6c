"""A guided tour: what happens between the server's frame and its acknowledgement, and where.

`src/main.py` makes a Service, which has a Worker, which has a HandlerRunner for every handler that was found. The
runner's Intake has a PullConsumer ask the server for messages ahead of time; each comes as a frame, is put into a
buffer as a Message, and waits for one of the runner's tasks. Delivery then has it accepted, which reads the payload and
asks whether the message was handled before and how often it was begun; has the handler called, which includes the
confirmation of all that it published; and acknowledges. What fails comes again after a delay; after the last attempt it
becomes a dead letter, and only when that is confirmed does the original end.

Whoever has ten minutes reads the way of a message, in this order: about a thousand lines of code. All else is there to
be looked up.

The way of a message
    service.py          handlers are found, the worker starts and stops, Consul is told
    worker.py           all handlers and what works beside them; readiness; what stops in which order
    subscription.py     what a handler's file says: `@subscriber` and its options
    pull_consumer.py    messages keep coming, through reconnects and lost leaders
    intake.py           they wait in a buffer until one of the runner's tasks takes them
    handler_runner.py   concurrency, signs of life to the server, and what is given back at the end
    message.py          what a handler sees, and the ways to settle it
    acceptance.py       whether it may go to its handler: payload, inbox and attempts are asked
    handler_call.py     the handler is awaited, and all that it published
    delivery.py         what becomes of every delivery: the one place where messages are settled

Beside the way
    errors.py           what a handler raises, and what stops a start
    inbox.py            what remembers that a message was handled, where `DEDUP` says so
    dead_letters.py     what is not tried again, kept with why
    publisher.py        `publish` from anywhere
    nats_client.py      what is sent: events, acknowledgements, replies
    consul_client.py    the registration and its check
    http_server.py      `/healthz`, `/readyz`, `/metrics`, `/stats`
    metrics.py          what is counted, for Prometheus

connection/
    nats_connection.py  one connection that never gives up
    credentials.py      who the worker is, and whom it trusts
    discovery.py        where the servers are: as `NATS_URL` says, or as Consul knows them
    pulse.py            whether the connection lives, by what passes over it
    nats_internals.py   all that has to be known of nats-py's inside
    jetstream_api.py    what JetStream can do and nats-py does not offer

receiving/
    streams.py          the stream of a subject is found, or made
    consumers.py        the durable is there, and as the subscription says
    pull_requests.py    how many have been asked for, and what each status of the server means

handling/
    decoding.py         from bytes to what the handler's annotation asks for
    attempts.py         how often a handler was begun with a message, whatever became of its worker
    bucket.py           the key-value bucket that this is kept in
    deduplication.py    whether a message is this worker's to handle, and what holds while nobody can tell
    kv_inbox.py         the inbox in a key-value bucket
    redis_inbox.py      the inbox in Redis
    context.py          what is being handled right now, for logs and for what follows from it
    publication.py      payload, headers and id of what is published, and the wait for its confirmation
    backoff.py          how long until the next attempt
    replays.py          the way back to one handler, for dead letters and long delays
    origin.py           the headers that say where such a message was first
    large_payloads.py   dead letters that do not fit into one message

watching/
    stats.py            what is counted
    handler_figures.py  what `/stats` says of a handler
    server_figures.py   what the server says of streams and consumers
    seldom.py           questions to the server that are not asked each time
    operations.py       what the endpoints answer
    loop_watch.py       tells what keeps the event loop

consul/
    consul_agent.py     how Consul is spoken to
    consul_library.py   py-consul, without what nobody here uses

wiring/
    handler_parts.py    what all handlers stand on, and the runner that is put together from it
    component.py        actions, publishers, subscribers and tasks, each loaded only where the service has a file for it
    declaring.py        what their decorators share with `@subscriber`
"""
