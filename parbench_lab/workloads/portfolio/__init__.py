"""A grid of portfolio strategies, backtested walk-forward: the parallel-optimisation example.

    market      prices of several assets: synthetic, or from a user (`prices`)
    strategies  what a configuration is, and the grid of them
    windows     the walk-forward split into training and test periods
    positions   from prices to weights and the value of the portfolio: the readable definition
    metrics     from periods to return, Sharpe, Sortino, drawdown, Calmar and turnover
    case        one backtest to do; candidates: four ways to do it (`loop`, `frames`, `together`)
    optimizer   all configurations through a ``map``, to a ranked table

Nothing here starts a worker or reads a clock.
"""
