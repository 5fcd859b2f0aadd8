"""Nights: which tests are worth the hours that there are, and a run that ends with them."""
