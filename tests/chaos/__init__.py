"""Races under random faults, kills, arrivals and changes, all from one seed."""
