"""What a run shows of its unit: named facts with samples, found in what was observed.

Each module finds one kind of them, as pure functions from the observations of one test; ``reports/shown.py`` puts those
of a run together. Comparing two runs and fitting the twin to one both begin here, so that neither sees what the other
does not.
"""
