"""Markets: synthetic ones, and what users bring."""

import datetime as dt
import sys

import numpy as np
import pandas as pd
import pytest

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.workloads.portfolio.market import Market, synthetic_market
from parbench_lab.workloads.portfolio.prices import as_market, read_prices


def frame(start="2026-01-01", freq="h", rows=6):
    times = pd.date_range(start, periods=rows, freq=freq)
    return pd.DataFrame(
        {"time": times, "one": np.arange(1.0, rows + 1), "two": np.arange(2.0, rows + 2)}
    )


def saved(tmp_path, table, **options):
    path = tmp_path / "prices.csv"
    table.to_csv(path, index=False, **options)
    return path


def test_the_default_market_has_1000_periods_of_4_assets():
    market = synthetic_market(rng=np.random.default_rng(0))

    assert market.prices.shape == (1000, 4)
    assert market.names == ("asset 1", "asset 2", "asset 3", "asset 4")
    assert not market.prices.flags.writeable


def test_one_seed_makes_one_market():
    first, second, other = (synthetic_market(rng=np.random.default_rng(n)) for n in (7, 7, 8))

    assert np.array_equal(first.prices, second.prices)
    assert not np.array_equal(first.prices, other.prices)


@pytest.mark.parametrize("timeframe", ["15m", "1h", "4h", "1d"])
def test_a_day_of_any_timeframe_varies_as_much(timeframe):
    market = synthetic_market(periods=40_000, timeframe=timeframe, rng=np.random.default_rng(1))
    day = round(market.periods_per_year / 365)

    daily = np.diff(np.log(market.prices[::day]), axis=0)

    assert 0.025 < daily.std() < 0.045


def test_the_market_has_jumps_regimes_and_assets_that_move_together():
    market = synthetic_market(periods=20_000, timeframe="1d", rng=np.random.default_rng(2))
    steps = np.diff(np.log(market.prices), axis=0)
    sizes = np.abs(steps).mean(axis=1)

    kurtosis = ((steps - steps.mean(axis=0)) ** 4).mean() / steps.var() ** 2
    together = np.corrcoef(steps.T)[np.triu_indices(4, 1)]
    clustering = np.corrcoef(sizes[1:], sizes[:-1])[0, 1]

    assert kurtosis > 4
    assert together.min() > 0.3
    assert clustering > 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"periods": 1}, "2 periods", id="one period"),
        pytest.param({"assets": 0}, "1 asset", id="no asset"),
        pytest.param({"timeframe": "2h"}, "known names are 15m, 1h", id="unknown timeframe"),
    ],
)
def test_an_impossible_market_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        synthetic_market(rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_a_price_that_is_none_is_refused_with_its_place(bad):
    prices = np.ones((5, 2))
    prices[3, 1] = bad

    with pytest.raises(UsageError, match=r"'asset 2' has .* in period 3"):
        Market(prices=prices)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"prices": np.ones(5)}, r"shape \(5,\)", id="one dimension"),
        pytest.param({"prices": np.ones((0, 2))}, "at least one", id="empty"),
        pytest.param({"names": ("a",)}, "2 assets but 1 names", id="too few names"),
        pytest.param({"days_per_year": 0.0}, "days_per_year", id="no days in a year"),
        pytest.param({"days_per_year": float("nan")}, "days_per_year", id="a year that is NaN"),
    ],
)
def test_a_market_that_makes_no_sense_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Market(**({"prices": np.ones((5, 2))} | options))


def test_the_last_periods_of_a_market_are_the_last():
    market = as_market(np.arange(1.0, 11.0)[:, np.newaxis], timeframe="1d", days_per_year=252)

    last = market.last(3)

    assert last.prices.ravel().tolist() == [8.0, 9.0, 10.0]
    assert last.periods_per_year == 252
    with pytest.raises(UsageError, match="11 periods of 1d are wanted but the prices have 10"):
        market.last(11)


def test_prices_of_a_csv_file_are_read_with_their_names(tmp_path):
    market = read_prices(saved(tmp_path, frame()))

    assert market.names == ("one", "two")
    assert market.prices[:2].tolist() == [[1.0, 2.0], [2.0, 3.0]]


def test_a_csv_file_may_do_without_times(tmp_path):
    market = read_prices(saved(tmp_path, frame()[["one", "two"]]), timeframe="1d")

    assert market.prices.shape == (6, 2)


def test_gaps_such_as_weekends_are_allowed(tmp_path):
    table = frame(freq="D", rows=15)
    table = table[table["time"].dt.day_of_week < 5]

    market = read_prices(saved(tmp_path, table), timeframe="1d", days_per_year=252)

    assert len(market.prices) == len(table) < 15


def _lacking(table):
    return table.assign(two=[2.0, np.nan, *table["two"][2:]])


BAD_TABLES = [
    pytest.param(lambda t: t.iloc[::-1], "must ascend", id="falling times"),
    pytest.param(lambda t: pd.concat([t, t.tail(1)]), "row 6 does not", id="a time twice"),
    pytest.param(_lacking, "'two' has nan in period 1", id="a price missing"),
    pytest.param(lambda t: t.assign(two="x"), "column 'two' does not hold numbers", id="text"),
    pytest.param(lambda t: t.assign(time="x"), "neither numbers nor times", id="no times"),
    pytest.param(lambda t: t.assign(time="31/01/2026"), "such as 2026-01-31", id="days first"),
    pytest.param(lambda t: t.assign(time=range(1, 7)), "write times as", id="times as numbers"),
    pytest.param(lambda t: t[["time"]], "at least one of each", id="only times"),
]


@pytest.mark.parametrize(("change", "words"), BAD_TABLES)
def test_a_bad_table_is_refused_with_the_reason(tmp_path, change, words):
    path = saved(tmp_path, change(frame()))

    with pytest.raises(UsageError, match=words):
        read_prices(path)


def test_times_that_do_not_fit_the_timeframe_are_refused(tmp_path):
    path = saved(tmp_path, frame(freq="D"))

    with pytest.raises(UsageError, match="rows are 24 h apart but timeframe is '1h', 1 h"):
        read_prices(path, timeframe="1h")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("prices.xlsx", "must end in .csv or .parquet", id="another kind"),
        pytest.param("missing.csv", "cannot be read", id="no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, words):
    with pytest.raises(UsageError, match=words):
        read_prices(tmp_path / name)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.csv"
    path.touch()

    with pytest.raises(UsageError, match="cannot be read"):
        read_prices(path)


def test_parquet_without_its_library_is_refused_with_the_librarys_name(tmp_path, monkeypatch):
    for library in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / "prices.parquet"
    path.touch()

    with pytest.raises(UsageError, match="needs the library pyarrow"):
        read_prices(path)


@pytest.mark.parametrize("times", ["a column", "the index"])
def test_prices_of_a_parquet_file_are_read(tmp_path, times):
    pytest.importorskip("pyarrow", reason="reading parquet needs pyarrow")
    table = frame() if times == "a column" else frame().set_index("time")
    path = tmp_path / "prices.parquet"
    table.to_parquet(path)

    market = read_prices(path)

    assert market.names == ("one", "two")
    assert market.prices.shape == (6, 2)


def _texts(times):
    return times.strftime("%Y-%m-%d %H:%M")


def _objects(times):
    return pd.Index(times.to_pydatetime(), dtype=object)


INDEXES = [
    pytest.param(_texts, id="texts, as read without parse_dates"),
    pytest.param(_objects, id="objects"),
    pytest.param(lambda times: times.to_period("h"), id="periods"),
]


@pytest.mark.parametrize("kind", INDEXES)
def test_times_of_any_kind_in_the_index_are_looked_at(kind):
    table = frame().set_index("time")
    table.index = kind(table.index)

    assert as_market(table).prices.tolist() == as_market(frame()).prices.tolist()
    with pytest.raises(UsageError, match="must ascend"):
        as_market(table.iloc[::-1])
    with pytest.raises(UsageError, match="row 6 does not"):
        as_market(pd.concat([table, table.tail(1)]))
    with pytest.raises(UsageError, match="rows are 1 h apart but timeframe is '1d'"):
        as_market(table, timeframe="1d")


def test_dates_in_the_index_are_looked_at():
    dates = [dt.date(2026, 1, day) for day in (3, 2, 1)]

    with pytest.raises(UsageError, match="must ascend"):
        as_market(pd.DataFrame({"one": [1.0, 2.0, 3.0]}, index=dates), timeframe="1d")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        pytest.param(list("abcdef"), "index holds neither numbers nor times", id="texts"),
        pytest.param(pd.Index(range(6), name="Time"), "'Time', holds numbers", id="unix times"),
    ],
)
def test_an_index_that_is_neither_times_nor_rows_is_refused(index, words):
    with pytest.raises(UsageError, match=words):
        as_market(frame()[["one", "two"]].set_axis(index, axis="index"))


def test_an_hour_that_clocks_show_twice_is_not_twice_the_same():
    times = pd.date_range("2026-10-24 12:00", periods=30, freq="h", tz="Europe/Berlin")

    market = as_market(pd.DataFrame({"one": np.arange(1.0, 31.0)}, index=times))

    assert market.periods_per_year == 8760


class Foreign:
    """A table of another library, which has columns too."""

    columns = ("time", "one", "two")

    def __init__(self, lacks=""):
        self.lacks = lacks

    def to_pandas(self):
        if self.lacks:
            raise ModuleNotFoundError(f"No module named {self.lacks!r}")
        return frame()


def test_tables_of_other_libraries_become_frames_of_pandas():
    assert as_market(Foreign()).names == ("one", "two")
    with pytest.raises(UsageError, match=r"Foreign, which cannot .*No module named 'pyarrow'"):
        as_market(Foreign(lacks="pyarrow"))


def test_arrays_frames_and_markets_are_prices_too():
    values = np.array([[1.0, 2.0], [2.0, 3.0]])

    from_array = as_market(values)
    from_frame = as_market(frame().head(2))
    values[0, 0] = 99.0

    assert from_array.prices.tolist() == from_frame.prices.tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert as_market(from_array) is from_array


def test_a_market_of_another_timeframe_is_refused():
    market = Market(prices=np.ones((3, 1)), timeframe="1d")

    with pytest.raises(UsageError, match="give timeframe='1d'"):
        as_market(market, timeframe="1h")


@pytest.mark.parametrize("thing", [object(), "x.txt", [["a"]], [[1.0], [1.0, 2.0]]])
def test_anything_else_is_no_prices(thing):
    with pytest.raises(UsageError, match="prices"):
        as_market(thing)


def test_an_unknown_timeframe_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="known names are 15m, 1h, 4h, 1d"):
        as_market([[1.0], [2.0]], timeframe="hourly")
