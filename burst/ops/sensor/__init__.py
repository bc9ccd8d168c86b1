"""What a sensor reads wrongly: defective pixels, and black levels that do not hold."""
