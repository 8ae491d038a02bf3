"""Synthetic chest radiographs: a deterministic generator, and a controlled experiment.

The road: `cohort` plans who is imaged where; `anatomy`, `thorax`, `bones` and `lesions` draw a
child in the body frame; `acquisition` takes the image at one of the `sites`; `generate` yields
the files. `fields` and `draws` hold the only arithmetic that is allowed, so that a phantom has
the same bytes on every machine.
"""
