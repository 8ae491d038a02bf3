"""Where images come from: phantoms, the real download, archives, DICOM, names."""
