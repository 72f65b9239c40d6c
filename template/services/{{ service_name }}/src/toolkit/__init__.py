"""Key-value buckets, object stores, streams and more, each in its own file. All use the worker's connection."""
