"""The judges of the line: each looks at its part of the one life of a unit (``fixtures/line``), and drives nothing."""
