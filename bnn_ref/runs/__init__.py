"""A run: its folder and checkpoint, opened again, scored, and what its last bits depend on."""
