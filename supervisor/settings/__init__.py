"""Everything that can be set, in one validated record.

What the command line says wins over the environment (``SUPERVISOR_*``), that over the keywords of
``attach(...)``, those over ``[tool.supervisor]`` in pyproject.toml, and that over the defaults. Faults are
collected and told at once.
"""

from supervisor.settings.model import Loaded, Settings
from supervisor.settings.spec import Spec, specs

__all__ = ["Loaded", "Settings", "Spec", "specs"]
