"""``mcm-bench compare``: what is different between the runs of two firmwares."""
