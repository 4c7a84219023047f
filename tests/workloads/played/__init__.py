"""What stands in for the libraries of GPUs: this folder goes on the path of a process."""

from pathlib import Path

LIBRARIES = str(Path(__file__).parent)
