"""The record store: every run, for ever, in one ledger that can only grow (docs/how-to/keep-records.md)."""
