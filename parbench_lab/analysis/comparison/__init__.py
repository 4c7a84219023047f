"""Runs against each other: ratios, their verdicts, what limits a candidate, what to do next.

Everything here takes values and gives values; `parbench_lab.lab.comparing` fetches them.
"""
