"""Print what a wheel of this project needs, so that it can be installed before the wheel is made.

usage: python requirements.py PYPROJECT EXTRA
"""

import sys
import tomllib
from pathlib import Path

path, extra = sys.argv[1:]
project = tomllib.loads(Path(path).read_text(encoding="utf-8"))["project"]
sys.stdout.write("\n".join([*project["dependencies"], *project["optional-dependencies"][extra]]))
