"""Publishers that publish again and again, and subscribers that hear by core NATS; a service without any has neither.

What a publisher's file says is in `periodic.py`, what a subscriber's says in `listening.py`; one of them is run by
`periodic_runner.py` or `listening_runner.py`, all together by `publishers.py` or `subscribers.py`.
"""
