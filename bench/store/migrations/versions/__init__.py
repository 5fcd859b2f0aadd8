"""Each file has the tables as they were to be then: it uses nothing of the bench that may change."""
