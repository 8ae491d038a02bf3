"""The command line `pneumonia`."""
