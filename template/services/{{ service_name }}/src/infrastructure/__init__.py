"""A guided tour: what happens between the server's frame and its acknowledgement, and where.

`src/main.py` makes a Service, which has a Worker, which has a HandlerRunner for every handler that was found. The
runner's PullConsumer asks the server for messages ahead of time; each comes as a frame on its inbox, is put into a
buffer as a Message, and waits for one of the runner's tasks. Delivery then reads the payload, asks whether the message
was handled before and how often it was begun, awaits the handler and the confirmation of all that it published, and
acknowledges. What fails comes again after a delay; after the last attempt it becomes a dead letter, and only when that
is confirmed does the original end.

Whoever has ten minutes reads the files marked with *, in this order; the others are what those lean on.

Start
    service.py          * handlers are found, the worker starts and stops, Consul is told
    worker.py           * all parts, put together; readiness; what stops in which order
    component.py        actions, publishers, subscribers and tasks, each loaded only where the service has a file for it
    errors.py           what a handler raises, and what stops a start

Connection
    nats_client.py      one connection that never gives up, and what is published over it
    credentials.py      who the worker is, and whom it trusts
    discovery.py        where the servers are: as `NATS_URL` says, or as Consul knows them
    pulse.py            whether the connection lives, by what passes over it
    nats_internals.py   all that has to be known of nats-py's inside
    jetstream_api.py    what JetStream can do and nats-py does not offer

Receiving
    subscription.py     * what a handler's file says: `@subscriber` and its options
    declaring.py        what that shares with the decorators of actions, tasks, publishers and subscribers
    streams.py          the stream of a subject is found, or made
    consumers.py        the durable is there, and as the subscription says
    pull_consumer.py    * messages keep coming, through reconnects and lost leaders
    pull_requests.py    how many have been asked for, and what each status of the server means
    handler_runner.py   * buffer, concurrency, signs of life to the server, and what is given back at the end

Handling
    message.py          * what a handler sees, and the ways to settle it
    decoding.py         from bytes to what the handler's annotation asks for
    context.py          what is being handled right now, for logs and for what follows from it
    publication.py      payload, headers and id of what is published, and the wait for its confirmation
    publisher.py        `publish` from anywhere

Deciding
    delivery.py         * what becomes of every delivery: the one place where messages are settled
    attempts.py         how often a handler was begun with a message, whatever became of its worker
    bucket.py           the key-value bucket that this is kept in
    backoff.py          how long until the next attempt
    deduplication.py    whether a message is this worker's to handle, and what holds while nobody can tell
    inbox.py            what remembers it, where `DEDUP` says so
    kv_inbox.py         in a key-value bucket
    redis_inbox.py      in Redis
    dead_letters.py     what is not tried again, kept with why
    large_payloads.py   those that do not fit into one message
    origin.py           the headers that say where such a message was first
    replays.py          the way back to one handler, for dead letters and long delays

Watching
    stats.py            what is counted
    metrics.py          the same for Prometheus
    seldom.py           questions to the server that are not asked each time
    server_figures.py   what the server says of streams and consumers
    operations.py       what `/healthz`, `/readyz`, `/metrics` and `/stats` answer
    http_server.py      the server that is asked
    loop_watch.py       tells what keeps the event loop
    consul_client.py    the registration and its check
    consul_agent.py     how Consul is spoken to
    consul_library.py   py-consul, without what nobody here uses
"""
