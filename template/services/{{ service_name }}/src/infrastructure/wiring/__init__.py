"""How handlers, actions, publishers, subscribers and tasks become parts of one worker."""
