"""Operations on services and workspaces."""
