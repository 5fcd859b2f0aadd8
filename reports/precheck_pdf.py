from reports.precheck import *
def write_pdf(dossier, root, path): path.write_bytes(b"x")
