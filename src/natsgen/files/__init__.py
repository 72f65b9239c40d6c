"""Reading, comparing and merging files in memory; nothing here writes to a workspace."""
