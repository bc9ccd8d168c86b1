"""What a sensor reads wrongly: defective pixels, and black levels that do not hold."""

from burst.lazy import load_on_use

load_on_use(__name__)
