"""The certification packs that come with the bench, as data; ``bench/manual/pack.py`` reads them."""
