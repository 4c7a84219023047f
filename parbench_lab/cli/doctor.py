"""``parbench doctor``: can this machine measure? Its condition, and a race of identical code."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from parbench_lab.cli.devices import (
    Devices,
    device_lines,
    devices_document,
    look_at_devices,
)
from parbench_lab.cli.doors import Doors, Result
from parbench_lab.cli.flags import as_flags
from parbench_lab.cli.identical import IdenticalCode, copies
from parbench_lab.cli.interrupts import Interrupts, interrupts
from parbench_lab.cli.options import (
    budget_option,
    common_options,
    examples,
    given_layers,
    store_of,
    store_option,
)
from parbench_lab.cli.output import checked_output, deliver
from parbench_lab.cli.spectators import Blindfolded, watch
from parbench_lab.core.standing import Scoreboard, VerdictKind
from parbench_lab.core.wording import (
    amount,
    count,
    duration,
    memory,
    odds,
    percent,
    printable,
)
from parbench_lab.errors import StoreError
from parbench_lab.lab.configuration import file_layers, merged
from parbench_lab.racing.settings import Settings

if TYPE_CHECKING:
    from parbench_lab.core.roofline import Roofline
    from parbench_lab.hardware.condition import Condition

UNREADABLE = "not readable"
INTERFERENCE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdenticalRace:
    """What a race of identical code showed.

    Parameters
    ----------
    status
        As of a `RaceResult`.
    copies, blocks
        How many copies of one function raced, in how many blocks.
    false_eliminations
        Copies that were eliminated as slower than themselves; any is a fault of the machine.
    faults
        Copies that failed, with the reason: a broken installation rather than a noisy machine.
    largest_difference
        Largest median ratio between two copies, minus 1: differences below it mean nothing here.
    canary_evidence
        Odds that the leader was told apart from itself.
    suspended
        Why verdicts were suspended, or the empty string: nobody can be eliminated then.
    interference
        How much slower a copy runs while all workers are busy than alone; None if not measured.
    """

    status: str
    copies: int
    blocks: int
    false_eliminations: int
    faults: tuple[str, ...]
    largest_difference: float | None
    canary_evidence: float
    suspended: str
    interference: float | None
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the machine could not tell identical code apart, and measured at all."""
        fine = self.status != "failed" and self.blocks > 0 and not self.faults
        return fine and self.false_eliminations == 0 and not self.told_apart

    @property
    def told_apart(self) -> bool:
        """Whether the leader was told apart from itself with the odds that eliminate a copy."""
        return bool(self.suspended) or self.canary_evidence >= Settings().elimination_threshold


@click.command(epilog=examples("parbench doctor", "parbench doctor --quick --json"))
@click.option("--quick", is_flag=True, help="Leave out the roofs and the race of identical code.")
@budget_option("--seconds", default=5.0, show_default=True, help="Length of that race.")
@click.option("--workers", type=int, help="Its worker processes.  [default: one per core]")
@store_option
@common_options
@click.pass_context
def doctor(
    ctx: click.Context, /, *, quick: bool, seconds: float, as_json: bool, output: Path | None,
    **_params: Any,
) -> None:  # fmt: skip
    """Check this machine before a race, and say what to change.

    Four copies of one function race each other for a few seconds: a machine on which one of them
    is eliminated, or the leader told apart from itself, cannot be trusted with smaller
    differences. Exit code 1 then.

    Before that its roofs are measured and kept in the store: how quickly it can calculate and
    move data, on one core and on all. Comparisons name with them what limits a candidate.
    """
    from parbench_lab.hardware.condition import (  # noqa: PLC0415 - loads numpy
        advice,
        machine_condition,
    )

    path = checked_output(output)
    workers = _workers(ctx)
    condition = machine_condition()
    sentences, devices = advice(condition), look_at_devices()
    if not as_json:
        _print_condition(condition, devices, sentences)
    found, roofs = None, None
    if not quick:
        roofs = _kept_roofs(ctx, as_json=as_json)
        click.echo(f"racing identical code for {seconds:g} s ...", err=as_json)
        with interrupts() as asked:
            found = _identical_race(ctx.ensure_object(Doors), seconds, workers, asked)
    passed = found is None or found.passed
    document = doctor_document(condition, sentences, found, roofs, devices)
    deliver(document, as_json=as_json, output=path)
    if found is not None and not as_json:
        _print_identical(found, with_advice=bool(sentences))
    ctx.exit(0 if passed else 1)


def doctor_document(
    condition: Condition,
    advice: tuple[str, ...],
    found: IdenticalRace | None,
    roofs: Roofline | None = None,
    devices: Devices | None = None,
) -> dict[str, Any]:
    """Return the check as JSON values; `found` and `roofs` are None where they were left out."""
    return {
        "passed": found is None or found.passed,
        "condition": dataclasses.asdict(condition),
        "devices": None if devices is None else devices_document(devices),
        "advice": list(advice),
        "identical_code": None if found is None else dataclasses.asdict(found),
        "roofline": None if roofs is None else dataclasses.asdict(roofs),
    }


def identical_race(scoreboard: Scoreboard, status: str) -> IdenticalRace:
    """Return what the last snapshot of a race of identical code shows."""
    out = [s for s in scoreboard.standings if s.verdict is VerdictKind.ELIMINATED]
    faulty = [s for s in out if s.failures]
    ratios = [s.ratio.point for s in scoreboard.standings if s.ratio is not None]
    disturbed = scoreboard.trust.interference
    return IdenticalRace(
        status=status,
        copies=len(scoreboard.standings),
        blocks=scoreboard.blocks,
        false_eliminations=len(out) - len(faulty),
        faults=tuple(f"{s.candidate}: {s.reason}" for s in faulty),
        largest_difference=max(ratios) / min(ratios) - 1 if len(ratios) > 1 else None,
        canary_evidence=scoreboard.trust.canary_evidence,
        suspended=scoreboard.trust.suspended,
        interference=None if disturbed is None else disturbed.point,
        warnings=scoreboard.trust.warnings,
    )


def identical_advice(found: IdenticalRace) -> tuple[str, ...]:
    """Return what the race of identical code tells the user to do; empty where all is well."""
    said = list(found.faults)
    told = []
    if found.false_eliminations:
        told.append(f"{count(found.false_eliminations, 'copy')} of identical code eliminated")
    if found.told_apart:
        told.append(f"the canary told identical code apart ({odds(found.canary_evidence)})")
    if told:
        said.append(
            f"{', and '.join(told)}: raise --tolerance, start races with --epoch-blocks 10, or "
            "stop what else runs here"
        )
    if not found.blocks:
        said.append("nothing was measured: look at parbench doctor --debug")
    # this race is over: nobody can resume it
    return (*said, *(warning for warning in found.warnings if warning != found.suspended))


def _identical_race(
    doors: Doors, seconds: float, workers: int | None, asked: Interrupts
) -> IdenticalRace:
    with doors.new_bench(
        copies(),
        IdenticalCode(),
        store=":memory:",
        n_workers=workers,
        challenge_every=0,
        interference_every_s=INTERFERENCE_EVERY_S,
    ) as bench:
        bench.limit(seconds)
        bench.start()
        result: Result = watch(bench, Blindfolded(), asked)
    return identical_race(result.scoreboard, result.status)


def _kept_roofs(ctx: click.Context, *, as_json: bool) -> Roofline:
    """Measure the roofs of this machine, keep them, and print them unless JSON is asked for."""
    from parbench_lab.lab.roofs import keep_roofline  # noqa: PLC0415 - loads the lab

    doors = ctx.ensure_object(Doors)
    click.echo("measuring the roofs of this machine ...", err=as_json)
    machine, roofs = doors.roofline()
    if not as_json:
        for line in roof_lines(roofs):
            click.echo(line)
    try:
        with contextlib.closing(doors.open_store(store_of(ctx))) as store:
            run_id = keep_roofline(store, roofs, machine)
        click.echo(f"roofs kept as {run_id}, machine {machine.fingerprint}", err=as_json)
    except StoreError as error:
        # a check is worth having without a store
        click.echo(f"! the roofs are not kept: {printable(str(error))}", err=as_json)
    return roofs


def roof_lines(roofs: Roofline) -> list[str]:
    """Return the roofs as lines for a person."""
    one, both = roofs.one_core_flops_per_s, roofs.all_cores_flops_per_s
    rows = [("arithmetic", _rates(one, both, "flop/s", roofs.cores))]
    single, singles = roofs.one_core_single_flops_per_s, roofs.all_cores_single_flops_per_s
    if single is not None and singles is not None:
        rows.append(("single precision", _rates(single, singles, "flop/s", roofs.cores)))
    for level in roofs.bandwidths:
        one, both = level.one_core_bytes_per_s, level.all_cores_bytes_per_s
        size = memory(level.working_set_bytes)
        # two calls go over it: where they take most of the time, this is no speed of a cache
        calls_s = 2 * roofs.array_call_overhead_s
        why = ", mostly numpy's calls" if calls_s > level.working_set_bytes / one else ""
        rates = _rates(one, both, "B/s", roofs.cores)
        rows.append((f"from {level.level}", f"{rates} ({size}{why})"))
    calls = f"{duration(roofs.call_overhead_s)} in Python, {duration(roofs.array_call_overhead_s)}"
    rows.append(("an empty call", f"{calls} in numpy"))
    if roofs.task_overhead_s is not None:
        rows.append(("an empty task", f"{duration(roofs.task_overhead_s)} there and back"))
    return [f"{title:<19}{text}" for title, text in rows]


def _rates(one: float, both: float, unit: str, cores: int) -> str:
    return f"{amount(one)}{unit} on one core, {amount(both)}{unit} on {cores}"


def _workers(ctx: click.Context) -> int | None:
    layers = file_layers(Path.cwd(), ctx.params["config"])
    values: Mapping[str, Any] = merged(
        [*layers, *given_layers(ctx, {"workers": "workers"})]
    ).values
    return values.get("workers")


def _print_condition(condition: Condition, devices: Devices, sentences: tuple[str, ...]) -> None:
    for title, text in (*_condition_lines(condition), *device_lines(devices)):
        click.echo(f"{title:<18}{printable(text)}")
    for sentence in sentences:
        click.echo(f"! {printable(as_flags(sentence))}")
    if not sentences:
        click.echo("nothing to change")


def _condition_lines(condition: Condition) -> list[tuple[str, str]]:
    physical = condition.physical_cores or UNREADABLE
    quota = "none" if condition.quota_cores is None else f"{condition.quota_cores:g} cores"
    load = UNREADABLE if condition.load_1min is None else f"{condition.load_1min:.2f}"
    cores = (
        f"{condition.available_cores} available of {condition.logical_cores} logical, "
        f"{physical} physical"
    )
    return [
        ("cores", cores),
        ("quota", quota),
        ("SMT", _on_off(condition.smt)),
        ("governor", condition.governor or UNREADABLE),
        ("turbo", _on_off(condition.turbo)),
        ("load (1 min)", load),
        ("timer", f"step {condition.timer_step_ns:g} ns, {condition.timer_call_ns:.0f} ns a call"),
        ("BLAS threads", str(condition.blas_threads or UNREADABLE)),
        ("memory free", memory(condition.memory_available_bytes)),
        ("container", "yes" if condition.container else "no"),
    ]


def _on_off(state: bool | None) -> str:  # noqa: FBT001 - a value to put into words
    return UNREADABLE if state is None else ("on" if state else "off")


def _print_identical(found: IdenticalRace, *, with_advice: bool) -> None:
    click.echo(
        f"identical code     {found.false_eliminations} of {found.copies} copies eliminated in "
        f"{count(found.blocks, 'block')}; largest difference "
        f"{_tenths(found.largest_difference)}, canary {odds(found.canary_evidence)}, "
        f"interference {percent(found.interference)}"
    )
    for sentence in identical_advice(found):
        click.echo(f"! {printable(as_flags(sentence))}")
    passed = "this machine can race" + (", better after the advice above" if with_advice else "")
    click.echo(passed if found.passed else "do not trust this machine yet")


def _tenths(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f} %"
