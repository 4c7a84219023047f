"""What a quantisation study found: runs, points with their intervals, targets. Pure."""
