"""What stands in for a GPU's software: `cuda` is a folder for the path of a worker."""

from pathlib import Path

CUDA = str(Path(__file__).parent / "cuda")
