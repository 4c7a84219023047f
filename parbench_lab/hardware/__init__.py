"""The machine under the measurements: what it is, what state it is in, how much of it is ours."""
