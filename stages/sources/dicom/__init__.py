"""DICOM files: tags, transfer syntaxes and what must not be kept of them."""
