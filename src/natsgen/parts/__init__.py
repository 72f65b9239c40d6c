"""What a service is made of: the kinds of parts, their rules, and what source says about them."""
