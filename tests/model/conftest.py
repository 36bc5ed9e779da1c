import sys
from pathlib import Path

# Small models stand beside the tests.
sys.path.insert(0, str(Path(__file__).parent))
