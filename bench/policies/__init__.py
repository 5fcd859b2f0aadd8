"""What a line allows: policies as data, one decision before a unit starts, one after (docs/how-to/policies.md)."""
