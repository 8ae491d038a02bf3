"""The pipeline: one short file per stage, and the packages that the stages combine."""

from stages.engine import kernels

# Before any numerical library is imported. A packaged model has this file under another name, and
# may be loaded by a program that has NumPy already.
kernels.apply(required=__name__ == "stages")
