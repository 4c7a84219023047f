"""How busy every worker is, what it draws, and whether its GPU is held back.

A worker process samples itself (`sampling`), its samples travel with Dask's own events
(`events`), the store keeps them thinned (`thinning`), energy is read around a measurement
(`energy`), and `throttling` remembers in the worker why its GPU was slowed down. No figure is
invented: what cannot be read is "not measured", with its reason.
"""
