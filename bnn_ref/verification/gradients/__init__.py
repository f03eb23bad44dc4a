"""A gradient held against its own loss."""
