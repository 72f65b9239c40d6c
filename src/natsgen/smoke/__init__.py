"""`natsgen smoke`: every kind of service that a template makes, made, checked and run on real servers.

    matrix      which samples are made, from the template's questions (`covering`)
    steps       steps one after the other, each with a verdict
    gates       what a sample passes as it is made
    checks      what it does when it runs (`running`, `lifecycle`, `delivery`, `answering`, `pubsub`, `records`)
    container   its image, and how it runs with its compose files
    updating    how it comes from an earlier version of the template
    growing     how it takes more parts and loses them
    run         the samples side by side, and the end of everything that was started
    report      what became of them, for a person, for a script and for a CI server

It stands on `natsgen.harness`, which starts the servers and the services.
"""
