"""How fast generated workers and natsgen itself are, against what people would use instead: `make bench`."""
