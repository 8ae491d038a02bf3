"""Make every Python process of a command pretend to run on the class of processor FEIGNED_CLASS.

Label and bits differ: another number of intra-op threads sums in another order, as another
processor would.
"""

import os

if "FEIGNED_CLASS" in os.environ:
    from stages.engine import devices

    _configure = devices.configure
    devices.instruction_set = lambda: os.environ["FEIGNED_CLASS"]
    devices.configure = lambda threads: _configure(threads + 1)
