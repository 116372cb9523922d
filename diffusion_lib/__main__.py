"""`python -m diffusion_lib`, the same as the command `diffusion-lib`."""

import sys

from .cli import main

sys.exit(main())
