import sys
from pathlib import Path

# The oracle and the small models stand beside the tests.
sys.path.insert(0, str(Path(__file__).parent))
