"""What `natsgen smoke` does: every kind of service that a template makes, made, checked and run on real servers.

    matrix      which samples are made, from the template's questions (`shapes`, `covering`)
    steps       what is done with each of them (`gates`, `live`, `growing`)
    run         the samples side by side, and the end of everything that was started
    report      what became of them, for a person, for a script and for a CI server

It stands on `natsgen.harness`, which starts the servers and the services.
"""
