"""Parallel execution: workers that measure candidates, and executors that send them blocks.

`measure` is the only code that touches a candidate; `dask_executor` runs it on a Dask cluster,
`inline` in this process. Both keep the `Executor` port of `core`.
"""
