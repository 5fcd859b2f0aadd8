"""``mcm-bench learn``: the twin becomes like a unit that was recorded."""
