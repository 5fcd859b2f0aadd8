"""The figures of a line, from the runs in a store (docs/how-to/statistics.md).

``lot`` reads the runs; ``yields``, ``pareto``, ``capability``, ``control_chart``, ``gauge`` and ``takt`` are functions
of what it has read. None of them gives a figure that it can't stand by: where there is too little, they say so.
"""
