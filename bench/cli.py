"""The command ``mcm-bench``."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bench.errors import BenchError
from bench.measure import Verdict
from fixtures.words import seconds

app = typer.Typer(
    name="mcm-bench", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Hardware-in-the-loop test bench for the Elvaco CMi6110 NB-IoT module. Without a station file it runs "
         "against its twin, a lab in software.",
    epilog="Exit codes: 0 pass, 1 the unit fails, 2 the bench is to blame.")

EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.ERROR: 2}

Station = Annotated[Path | None, typer.Option(help="Station file; without one the twin is used.")]
Defects = Annotated[list[str] | None, typer.Option("--defect", help="A deliberate fault of the twin; may be repeated.")]
Faults = Annotated[list[str] | None, typer.Option(
    "--fault", help="A deliberate fault of the twin's instruments; may be repeated.")]
Seed = Annotated[int, typer.Option(help="All that is chance in the twin follows from it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mcm-bench {version('mcm-bench')}")
        raise typer.Exit


@app.callback()
def bench(
    _: Annotated[bool, typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


@app.command()
def run(
    profile: Annotated[str, typer.Argument(help="acceptance, regression or certification.")],
    station: Station = None,
    unit: Annotated[str | None, typer.Option(help="DevEUI of the unit, 16 hexadecimal digits.")] = None,
    seed: Seed = 1,
    defect: Defects = None,
    fault: Faults = None,
    run_dir: Annotated[Path | None, typer.Option(help="Where the record goes; else a new one in runs/.")] = None,
    max_device_time: Annotated[str | None, typer.Option(
        help="Leave out tests that take longer on hardware, e.g. '30 min'.")] = None,
    expression: Annotated[str, typer.Option("-k", help="Only tests that match, as in pytest.")] = "",
    jobs: Annotated[int, typer.Option("-n", min=1, help="Processes, on the twin only.")] = 1,
    doctor: Annotated[bool, typer.Option(help="Look at the instruments first; test nothing with sick ones.")] = True,
) -> None:
    """Test a unit and give the verdict."""
    from bench.commands import run as command

    if station is not None and (defect or fault):
        raise typer.BadParameter("--defect and --fault are for the twin that the run starts itself; without --station")
    console = Console()
    order = command.Order(
        profile=_profile(profile), run_dir=run_dir or command.default_run_dir(profile), station=station,
        unit=_deveui(unit), seed=seed, defects=defect or (), faults=fault or (), expression=expression,
        max_device_time_s=_duration(max_device_time), jobs=jobs if station is None else 1, doctor=doctor)
    raise typer.Exit(EXIT_CODES[command.run(order, console).verdict])


@app.command()
def decode(
    telegram: Annotated[str, typer.Argument(help="Hexadecimal digits, or @FILE: digits, octets, optical.")],
    encoding: Annotated[str | None, typer.Option(help="mbus, json, senml-cbor, optical; else found out.")] = None,
    as_json: Json = False,
) -> None:
    """Decode a telegram, an MQTT-SN frame, a meter's wired answer or an optical readout.

    Exit codes: 0, 1 with findings of severity error, 2 not decodable.
    """
    from bench.commands import decode as command

    raise typer.Exit(command.decode(telegram, encoding, as_json, Console()))


@app.command()
def twin(
    seed: Seed = 1,
    defect: Defects = None,
    station_out: Annotated[Path | None, typer.Option(help="Write the station file here, too.")] = None,
    cell: Annotated[Literal["cmw500", "amarisoft", "attenuator"], typer.Option(help="Its cell instrument.")] = "cmw500",
    supply: Annotated[Literal["n6705", "ngu", "dmm6500"], typer.Option(
        help="What supplies the unit and measures its current.")] = "n6705",
) -> None:
    """Run the lab in software in real time until interrupted, and print its station file."""
    from bench.commands import twin as command

    command.twin(seed, defect or (), station_out, Console(highlight=False), cell=cell, supply=supply)


@app.command()
def doctor(
    station: Station = None,
    reference_load: Annotated[bool, typer.Option(
        "--reference-load", help="The station's reference load is in the place of the unit: measure it.")] = False,
    as_json: Json = False,
) -> None:
    """Check every instrument of a station and say what to do."""
    from bench.commands import doctor as command

    raise typer.Exit(command.doctor(station, Console(), as_json=as_json, reference_load=reference_load))


@app.command()
def prove(
    defect: Annotated[list[str] | None, typer.Option("--defect", help="Only this one; may be repeated.")] = None,
    as_json: Json = False,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds a healthy twin must pass with.")] = 1,
    jobs: Annotated[int, typer.Option("-n", min=1, help="Processes.")] = 2,
    first: Annotated[bool, typer.Option("--first", help="Find only the first test that catches a defect.")] = False,
) -> None:
    """Run the suites against every defect of the twin and print which test catches it."""
    from bench.commands import prove as command

    raise typer.Exit(command.prove(defect or (), seeds, jobs, as_json, Console(stderr=as_json), first=first))


@app.command()
def trace(
    run_dir: Annotated[list[Path] | None, typer.Option(help="A run whose verdicts count; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Requirement -> tests -> verdict."""
    from bench.commands import trace as command

    raise typer.Exit(command.trace(run_dir or (), as_json, Console()))


def _profile(name: str) -> str:
    if name not in ("acceptance", "regression", "certification"):
        raise typer.BadParameter(f"{name!r} is no profile; choose acceptance, regression or certification")
    return name


def _deveui(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) != 16 or any(letter not in "0123456789abcdefABCDEF" for letter in text):
        raise typer.BadParameter("a DevEUI has 16 hexadecimal digits")
    return text.upper()


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def main() -> None:
    """Entry point. A fault of the bench is one sentence and exit code 2."""
    try:
        app()
    except BenchError as error:
        Console(stderr=True).print(f"mcm-bench: {error}", style="bold magenta", markup=False, soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
