"""The pipeline: one short file per stage, and the packages that the stages combine."""
