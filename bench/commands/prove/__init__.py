"""``mcm-bench prove``: what the bench is worth, by what it catches and by what it leaves alone."""
