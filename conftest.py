"""Suites speak the words of ``fixtures``; everything else is there."""

pytest_plugins = ["fixtures.plugin"]
