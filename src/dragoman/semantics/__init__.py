"""The modeling language, pure: files, typed model, layers, validation, inference."""
