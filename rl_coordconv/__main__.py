"""``python -m rl_coordconv`` is the console script ``rl-coordconv``."""

import sys

from rl_coordconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
