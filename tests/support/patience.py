"""What a test grants for other work that has the processors meanwhile."""

# Seconds, on top of how long something may take. What a limit tells apart from it takes longer.
SLOW_MACHINE = 20.0
