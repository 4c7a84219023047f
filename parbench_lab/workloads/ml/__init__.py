"""Everyday machine learning, spread over workers: inference, training, preparation, ensembles.

Every operation is a function of the caller's own data and model that sends its parts through a
``map`` (`parbench_lab.core.scalable.Map`). The parts depend on the data and on ``chunk_size``,
never on the number of workers, and what is drawn at random is seeded per part: so one worker and
sixteen give the same bits. No pool is started here; `parbench_lab.lab.ml` does that.
"""
