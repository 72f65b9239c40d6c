"""Files of a workspace: read, compared and merged as text, never changed here."""
