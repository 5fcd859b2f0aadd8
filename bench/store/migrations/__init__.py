"""How a store of an older bench becomes one of this bench's: Alembic, a file for each revision in ``versions``.

A migration changes the shape of the tables only. What is in ``run`` and below follows from the ledger, and is made anew
after the last one (``bench/store/store.py``).
"""
