"""A fleet that stays current: newer templates merged into services, and what a person changed there kept."""
