"""What lies on disk: files that appear whole or not at all, and arrays from a stranger's npz."""
