"""Scaling studies: a job is run at every worker count, and what comes out is a curve."""
