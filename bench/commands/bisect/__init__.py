"""Which build broke a test."""
