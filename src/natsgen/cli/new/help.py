"""What `natsgen new` says with --help of each thing that it makes."""

WORKER = """Make a worker: services/NAME/ and compose/NAME.yml.

The worker runs as it is made: it consumes its subjects from JetStream, registers in Consul, has its own tests and
its Dockerfile. With --queue it does tasks that anybody may enqueue, instead or as well; with --action it answers
requests as well. An existing service is never touched.

\b
Examples:
  natsgen new worker billing --subject orders.order.created
  natsgen new worker mailer --queue emails --queue reports=build_report
  natsgen new worker audit --subject 'orders.>' --dedup nats-kv
  natsgen new worker billing --subject orders.order.created --with kv,objects
  natsgen new worker billing --data-file answers.yml --no-input --json
  natsgen new worker billing --subject orders.order.created --dry-run
  natsgen new worker billing --template ../our-template@1.2.0
"""
SERVICE = """Make a service that answers requests.

It comes in services/NAME/ and compose/NAME.yml, as a worker does. It answers each action on vVERSION.NAME.ACTION, is a
NATS micro service (nats micro ls), registers in Consul, has its own tests and its Dockerfile. With --subject it handles
events as well. An existing service is never touched.

\b
Examples:
  natsgen new service greeter --action greet
  natsgen new service greeter --action greet --action farewell --version 2
  natsgen new service billing --action quote --subject orders.order.created
"""

GATEWAY = """Make a gateway: a service with FastAPI or Django in it.

It comes in services/NAME/ and compose/NAME.yml, as a worker does. It answers each route of HTTP by a call of an action,
or by publishing an event: METHOD PATH=SUBJECT or METHOD PATH=publish:SUBJECT. With --action and --subject it answers
requests of NATS and handles events as well. An existing service is never touched.

\b
Examples:
  natsgen new gateway api --framework fastapi \\
    --route "POST /greet=v1.greeter.greet"
  natsgen new gateway api --framework django \\
    --route "POST /orders=publish:orders.order.created"
  natsgen new gateway api --framework fastapi \\
    --route "GET /hi/{name}=v1.api.hi" --action hi
"""

PUBLISHER = """Make a publisher: a service that publishes again and again.

It comes in services/NAME/ and compose/NAME.yml, as a worker does. It publishes on each subject, numbered without holes,
to the subject's stream, which confirms each message, or with --core to whoever listens. It waits for a server that is
away. An existing service is never touched.

\b
Examples:
  natsgen new publisher beat --subject events.test --interval 2
  natsgen new publisher beat --subject events.test --core --envelope message
"""
SUBSCRIBER = """Make a subscriber: a service that listens by core NATS.

It comes in services/NAME/ and compose/NAME.yml, as a worker does. It hears what is published on each subject while it
listens, and notes how old it is; with --queue-group, one of those in the group hears each message. What must not be
lost is for a worker. An existing service is never touched.

\b
Examples:
  natsgen new subscriber ear --subject events.test
  natsgen new subscriber ear --subject 'events.>' --queue-group workers
"""
