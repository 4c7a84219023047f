"""The reference of the public names, made of docstrings and metadata: run it with ``-m``."""
