"""Synthetic chest radiographs: a deterministic generator, and a controlled experiment.

`cohort` plans which patients are imaged at which site. `anatomy`, `thorax`, `bones` and `lesions`
draw a child in the body frame. `acquisition` takes the image at one of the `sites`. `generate`
yields the files. `fields` and `draws` have the only arithmetic allowed, so that a phantom has the
same bytes on every machine.
"""
