"""Benches that many share: labgrid's coordinator says whose a bench is, the bench asks it and keeps its word."""
