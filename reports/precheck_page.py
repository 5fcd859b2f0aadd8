def write_page(dossier, path): path.write_bytes(b"x")
