"""``mcm-bench certify``: runs what certification packs need, and makes the pack of paper."""
