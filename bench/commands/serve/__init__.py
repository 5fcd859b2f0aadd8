"""``mcm-bench serve``: the bench's servers for somebody else's device, without any instrument, in real time."""
