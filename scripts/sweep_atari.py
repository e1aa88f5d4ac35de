"""Train games x agents x extractors x seeds: python scripts/sweep_atari.py --suite atari-5."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs installed or not

from rl_coordconv.cli import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
