import sys
from pathlib import Path

from flowengine.run.platform import prepare

sys.path.insert(0, str(Path(__file__).parent))
prepare(2)
