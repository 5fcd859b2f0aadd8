"""What the command ``mcm-bench`` does, a file for each of its commands."""
