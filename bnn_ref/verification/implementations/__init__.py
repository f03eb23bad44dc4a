"""A person's own implementation asked every question: one call, one verdict."""
