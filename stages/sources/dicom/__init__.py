"""DICOM files: the tags of an image, transfer syntaxes and where pixels lie."""
