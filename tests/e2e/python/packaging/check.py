"""check.py MATTER: looks at the packaging, and writes what was looked at and what is wrong as JSON."""

import importlib
import json
import sys

matter = importlib.import_module(sys.argv[1])
json.dump(matter.check(), sys.stdout)
