"""The composition root: the one room that knows every part.

Nothing is loaded with it: who proves a speedup does not pay for races.
"""
