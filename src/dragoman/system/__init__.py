"""The server about itself: health, metrics, audit log, API description."""
