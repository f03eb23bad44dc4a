"""Jitted functions on plain arrays: the three sweeps of a training step and what they need."""
