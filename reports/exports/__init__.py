"""Records for other systems: ``formats`` say how they are written, ``targets`` where they go, ``outbox`` that each of
them gets there once (docs/how-to/export.md)."""
