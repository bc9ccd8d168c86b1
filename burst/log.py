"""The log of burst; a command sends it to stderr (`burst.command.start_logging`)."""

from __future__ import annotations

import logging

LOG = logging.getLogger("burst")
