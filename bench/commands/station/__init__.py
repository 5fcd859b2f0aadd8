"""``mcm-bench station``: all places of a line on one PC, with a page for operators and one for engineers.

=============  ======================================================================================================
``place.py``   the process of one place: runs what it is told, seals each run, finds again what was broken off
``places.py``  a place as the supervisor sees it: its process, the unit in it, what the page shows of it
``floor.py``   all places: what a scan, a key and a badge do; asks the policies before a unit is tested
``figures.py`` what engineers look at, from the store
``page.py``    both pages, over HTTP with server-sent events
=============  ======================================================================================================
"""
