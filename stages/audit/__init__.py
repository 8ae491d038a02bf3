"""The audit of a data set: what its images give away about class, source and patient."""
