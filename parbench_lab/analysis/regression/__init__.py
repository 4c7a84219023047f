"""Regressions: a new build against a pinned one, night after night, and hints from the record.

`detector` is the sequential rule, `series` what is known of one watched series, `changes` and
`many` read stored figures, `bisection` chooses the next commit. Pure.
"""
