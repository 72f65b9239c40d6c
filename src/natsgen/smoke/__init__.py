"""`natsgen smoke`: generate every kind of service that a template supports, check it, and run it on real servers.

    matrix      choose the samples from the template's questions (with `covering`)
    steps       run steps in order, each with a verdict
    gates       check a generated sample before it runs
    checks      check the running sample (`running`, `lifecycle`, `delivery`, `answering`, `pubsub`, `records`)
    container   build the image and run it with its compose files
    updating    update a sample from an earlier version of the template
    growing     add parts and extras, and remove them again
    run         run the samples in parallel, and stop everything that was started
    report      report the results to people, scripts and CI servers

`natsgen.harness` starts the servers and the services.
"""
