"""The command ``mcm-bench``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from bench.commands import records
from bench.commands.lock import StationLock
from bench.environment import refuse_what_bends_verdicts
from bench.errors import BenchError, unknown
from bench.interruption import WAYS_OUT

if TYPE_CHECKING:
    from bench.commands.shared.keeper import Wanted

app = typer.Typer(
    name="mcm-bench", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Hardware-in-the-loop test bench for the Elvaco CMi6110 NB-IoT module. Without a station file it runs "
         "against its twin, a lab in software.",
    epilog="""Exit codes:

0  pass

1  the unit fails; of decode: a finding of severity error

2  the bench is to blame, or was asked for what there is not

3  incomplete: what was tested passed, something was left out""")

app.add_typer(records.app, name="records")

Station = Annotated[Path | None, typer.Option(help="Station file; without one the twin is used.")]
Defects = Annotated[list[str] | None, typer.Option("--defect", help="A deliberate fault of the twin; may be repeated.")]
Variants = Annotated[list[str] | None, typer.Option(
    "--variant", help="A legal unit or meter that differs from the twin's usual one; may be repeated.")]
Faults = Annotated[list[str] | None, typer.Option(
    "--fault", help="A deliberate fault of the twin's instruments; may be repeated.")]
Seed = Annotated[int, typer.Option(help="All that is chance in the twin follows from it.")]
Codec = Annotated[str | None, typer.Option(
    help="Settings codec of the twin's station; else the built-in one. Installed packages offer others.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")]
Over = Annotated[Literal["nfc", "network"], typer.Option(
    help="How the twin's station commissions units; over the network it has no NFC reader.")]
Meter = Annotated[Literal["simulator", "real"], typer.Option(
    help="Whether an instrument stands in for the meter at the twin's station.")]
Coordinator = Annotated[str, typer.Option(
    envvar="LG_COORDINATOR", metavar="HOST:PORT", help="Where labgrid-coordinator listens.")]
DEFAULT_COORDINATOR = "127.0.0.1:20408"
Cell = Literal["cmw500", "amarisoft", "attenuator", "live"]
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
    profile: Annotated[str, typer.Argument(help="line, acceptance, regression, certification, or client for "
                                           "what any LwM2M client owes.")],
    station: Station = None,
    unit: Annotated[str | None, typer.Option(help="DevEUI of the unit, in any usual spelling.")] = None,
    seed: Seed = 1,
    defect: Defects = None,
    variant: Variants = None,
    fault: Faults = None,
    run_dir: Annotated[Path | None, typer.Option(help="Where the record goes; else a new one in runs/.")] = None,
    max_device_time: Annotated[str | None, typer.Option(
        help="Leave out tests that take longer on hardware, e.g. '30 min'.")] = None,
    expression: Annotated[str, typer.Option("-k", help="Only tests that match, as in pytest.")] = "",
    failed: Annotated[bool, typer.Option(
        "--last-failed", help="Only the tests that failed in the newest run of the profile in runs/.")] = False,
    jobs: Annotated[int, typer.Option("-n", min=1, help="Processes, on the twin only.")] = 1,
    doctor: Annotated[bool, typer.Option(help="Look at the instruments first; test nothing with sick ones.")] = True,
    lab: Annotated[Literal["run", "file", "test"] | None, typer.Option(
        help="How long the twin's lab lives: run in acceptance, else test. Stations live as long as the run.")] = None,
    over: Over = "nfc",
    codec: Codec = None,
    cell: Annotated[Cell | None, typer.Option(
        help="The twin's cell instrument; else one that can do what the test needs.")] = None,
    meter: Meter = "simulator",
    host_build: Annotated[str | None, typer.Option(
        metavar="COMMAND", help="A process that is the unit in the twin's lab, such as a host build of the firmware: "
                                "docs/host-build.md says what it is told.")] = None,
    shuffle: Annotated[int | None, typer.Option(
        metavar="SEED", help="Another order of the tests, across files: any order gives the same verdicts.")] = None,
    store: records.StoreUrl = None,
    job: Annotated[list[str] | None, typer.Option(
        metavar="NAME=VALUE", help="What is said of the run in its record, e.g. work_order=W17; repeatable.")] = None,
    place: Annotated[str | None, typer.Option(
        help="A shared bench, by its name at the coordinator; --station is the template of its station file then.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(
        metavar="KEY=VALUE", help="Any shared bench with this tag; may be repeated.")] = None,
    wait: Annotated[str, typer.Option(
        help="How long to wait for a shared bench that is in use, e.g. '30 min'.")] = "0 s",
    spread: Annotated[bool, typer.Option(
        "--spread", help="Over all shared benches with the tag that are free, into one record.")] = False,
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run, and how long.")] = False,
) -> None:
    """Test a unit and give the verdict."""
    refuse_what_bends_verdicts()
    signal.pthread_sigmask(signal.SIG_BLOCK, WAYS_OUT)    # until somebody knows how to end in order
    if station is not None and (defect or variant or fault or codec):
        raise typer.BadParameter(
            "--defect, --variant, --fault and --codec are for the twin that the run starts itself; without --station")
    profile = _profile(profile)
    if host_build is not None and (station is not None or defect or variant or codec or profile == "line"):
        raise typer.BadParameter("--host-build takes the place of the twin's unit, which --defect, --variant and "
                                 "--codec change and the line reads over NFC; without them and --station")
    wanted = _wanted(place, tag or [], wait, coordinator, station)
    if spread and (not tag or profile == "line"):
        raise typer.BadParameter("--spread goes over all benches with a tag, and the line has one unit with one life: "
                                 "say --tag, and another profile")
    lock = StationLock(station, f"run {profile}") if station is not None and not dry_run and not wanted else None
    from bench.commands.order import Order, default_run_dir, last_failed
    from bench.commands.supervise import supervise
    from bench.commands.terminal import terminal
    from bench.store.address import StoreAddress

    order = Order(
        profile=profile, run_dir=run_dir or default_run_dir(profile), station=station,
        unit=_deveui(unit), seed=seed, defects=defect or (), variants=variant or (), faults=fault or (),
        expression=expression, files=last_failed(profile) if failed else (),
        max_device_time_s=_duration(max_device_time),
        jobs=jobs if station is None and profile != "line" else 1,    # the line has one unit with one life
        doctor=doctor, lab=lab, over=over, codec=codec, cell=cell, meter=meter, host_build=host_build, shuffle=shuffle,
        store=StoreAddress.of(store) if store is not None else None, job=_job(job or []))
    if dry_run:
        from bench.commands.catalogue import what_would_run

        raise typer.Exit(what_would_run(order, Console()))
    if spread and wanted is not None:
        from bench.commands.shared.spread import spread as over_all

        raise typer.Exit(over_all(order, wanted, terminal()))
    raise typer.Exit(supervise(order, terminal(), lock, wanted))


@app.command()
def benches(
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    free: Annotated[list[str] | None, typer.Option(
        metavar="PLACE", help="Take the lock off this place, whoever has it: ask them first. May be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """List shared benches: who has which since when, what each offers, and what the doctor said last."""
    from bench.commands.shared.benches import benches as command

    raise typer.Exit(command(coordinator, free or (), as_json, Console()))


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="profiles, tests, defects, variants, faults, words, "
                                        "instruments or abilities.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help="Only what has all of them.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only tests of this profile.")] = None,
    requirement: Annotated[str | None, typer.Option(
        metavar="ID", help="Only what names this requirement; LED-* for all of a kind.")] = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from, or to write with."""
    from bench.commands import catalogue as command

    command.show(what, words or (), _profile(profile) if profile else None, requirement, as_json, Console())


@app.command()
def judge(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run of the line.")],
    limits: Annotated[Path | None, typer.Option(
        help="A file or folder of limits that stand in place of those of the suites.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a unit again, from the record of its life alone: without a station, years later, or by other limits.

    Exit code as of a run: 0 pass, 1 fail, 2 bench error, 3 incomplete.
    """
    refuse_what_bends_verdicts()
    from bench.commands.judge import print_judgement

    raise typer.Exit(print_judgement(run_dir, limits, as_json, Console()))


@app.command()
def decode(
    telegrams: Annotated[list[str], typer.Argument(
        metavar="TELEGRAM...", help="Digits as anybody writes them, base64, @FILE, or - for the standard input: "
        "digits, octets, optical, a dump of hexdump, od, xxd or Wireshark, a capture (pcap, pcapng).")],
    encoding: Annotated[str | None, typer.Option(help="mbus, json, senml-cbor, optical; else found out.")] = None,
    as_json: Json = False,
) -> None:
    """Decode telegrams, MQTT-SN frames, a meter's wired answers or optical readouts.

    Of a capture each datagram; DTLS is opened where the file has the session keys.

    Exit codes: 0, 1 with findings of severity error, 2 not decodable.
    """
    from bench.commands import decode as command

    raise typer.Exit(command.decode(telegrams, encoding, as_json, Console()))


@app.command()
def twin(
    seed: Seed = 1,
    defect: Defects = None,
    variant: Variants = None,
    station_out: Annotated[Path | None, typer.Option(help="Write the station file here, too.")] = None,
    cell: Annotated[Cell, typer.Option(help="Its cell instrument.")] = "cmw500",
    over: Over = "nfc",
    meter: Meter = "simulator",
    supply: Annotated[Literal["n6705", "ngu", "dmm6500"], typer.Option(
        help="What supplies the unit and measures its current.")] = "n6705",
    log: Annotated[Path | None, typer.Option(help="Write each change of the unit's supply and button here.")] = None,
    codec: Codec = None,
    rfc2217: Annotated[bool, typer.Option(
        "--rfc2217", help="The meter's serial ports over TCP on loopback, as an exporter shares them.")] = False,
) -> None:
    """Run the lab in software in real time until interrupted, and print its station file."""
    from bench.commands import twin as command

    command.twin(seed, defect or (), variant or (), station_out, Console(highlight=False), cell=cell, supply=supply,
                 log=log, codec=codec, over=over, meter=meter, rfc2217=rfc2217)


@app.command()
def serve(
    listen: Annotated[str, typer.Option(help="IP address of this machine at which the servers listen.")] = "127.0.0.1",
    listen_everywhere: Annotated[bool, typer.Option(
        "--listen-everywhere", help="All addresses may be listened at (0.0.0.0); takes --advertise.")] = False,
    advertise: Annotated[str | None, typer.Option(help="Host that devices are told, if it is another one.")] = None,
    bootstrap_port: Port = 5694,
    bootstrap_secure_port: Port = 5695,
    dm_port: Port = 5683,
    dm_secure_port: Port = 5684,
    mdm_port: Port = 1884,
    mdm_secure_port: Port = 1885,
    files_port: Port = 5685,
    keys: Annotated[Path | None, typer.Option(
        help="Key file (mode 600): a table for each endpoint name, as for stations. Those devices must come in DTLS.")
    ] = None,
    page: Annotated[str, typer.Option(
        help="Address of the page, or none. Who reaches it may do whatever you may.")] = "127.0.0.1:8080",
    patience: Annotated[float, typer.Option(
        min=0.1, help="Seconds that a device has for an answer; one on NB-IoT may take a hundred.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event and answer.")] = False,
) -> None:
    """Serve somebody else's device: bootstrap, device management, MQTT-SN gateway and firmware files, with a prompt and
    a page to read, write, observe and execute. Takes commands from a pipe, too, and ends with its input.
    """
    from bench.commands.serve.command import serve as command

    command({"listen": listen, "listen_everywhere": listen_everywhere, "advertise": advertise,
             "bootstrap_port": bootstrap_port, "bootstrap_secure_port": bootstrap_secure_port, "dm_port": dm_port,
             "dm_secure_port": dm_secure_port, "mdm_port": mdm_port, "mdm_secure_port": mdm_secure_port,
             "files_port": files_port}, keys, page, patience, as_json=as_json)


@app.command()
def doctor(
    station: Station = None,
    reference_load: Annotated[bool, typer.Option(
        "--reference-load", help="The station's reference load is in the place of the unit: measure it.")] = False,
    first_contact: Annotated[bool, typer.Option(
        "--first-contact", help="Record what the instruments say, and tell which lines from memory hold.")] = False,
    out: Annotated[Path, typer.Option(help="Where --first-contact writes its file.")] = Path("first-contact.json"),
    as_json: Json = False,
) -> None:
    """Check every instrument of a station and say what to do."""
    lock = StationLock(station, "doctor") if station is not None else None
    from bench.commands import doctor as command

    raise typer.Exit(command.doctor(station, Console(), lock, as_json=as_json, reference_load=reference_load,
                                   first_contact=out if first_contact else None))


@app.command()
def prove(
    defect: Annotated[list[str] | None, typer.Option("--defect", help="Only this one; may be repeated.")] = None,
    variant: Annotated[list[str] | None, typer.Option(
        "--variant", help="Only this one, through every test that reaches what it changes; may be repeated.")] = None,
    variants: Annotated[bool, typer.Option(
        "--variants", help="Every legal variant, through every test that reaches what it changes; goes on where it was "
                           "broken off.")] = False,
    fault: Annotated[list[str] | None, typer.Option(
        "--fault", help="Only this fault of the instruments, through doctor and acceptance; may be repeated.")] = None,
    faults: Annotated[bool, typer.Option("--faults", help="All faults of the instruments, and nothing else.")] = False,
    units: Annotated[int, typer.Option(
        min=0, help="So many good units through all of regression, each in another life and with other legal variants; "
                    "goes on where it was broken off.")] = 0,
    mutants: Annotated[int, typer.Option(
        min=0, help="So many single changes of the twin's unit and meter, drawn by --seed; goes on where it was broken "
                    "off.")] = 0,
    mutant: Annotated[list[str] | None, typer.Option(
        "--mutant", help="Only the mutant with this id; may be repeated.")] = None,
    unreached: Annotated[bool, typer.Option(
        "--unreached", help="Which lines of the twin's unit and meter no test reaches.")] = False,
    sample: Annotated[int | None, typer.Option(
        min=1, help="Only so many defects, variants and instrument faults, drawn by --seed.")] = None,
    seed: Annotated[int, typer.Option(help="Decides which are drawn; also the seed of a twin with a fault.")] = 1,
    as_json: Json = False,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds a healthy twin must pass with.")] = 1,
    jobs: Annotated[int, typer.Option("-n", min=1, help="Processes.")] = 2,
    first: Annotated[bool, typer.Option("--first", help="Find only the first test that catches a defect.")] = False,
    lab: Annotated[Literal["run", "file", "test"] | None, typer.Option(
        help="How long the lab of a defect lives; else a test.")] = None,
    learn: Annotated[bool, typer.Option(
        "--learn", help="Write down which test caught each defect: it is tried first from now on.")] = False,
) -> None:
    """Run the suites against every defect of the twin: a test that names what is broken must fail, and legal units must
    pass. Mutants are faults that nobody has thought of.

    Exit code 0: all are caught, none that is legal fails, and of each mutant that survives it is said why.
    """
    refuse_what_bends_verdicts()
    from bench.commands.prove.command import Task
    from bench.commands.prove.command import prove as command

    task = Task(defects=defect or (), variants=variant or (), all_variants=variants, faults=fault or (),
                all_faults=faults, units=units, unreached=unreached, mutants=mutants, mutant_ids=mutant or (),
                sample=sample, seed=seed, seeds=seeds, first=first, lab=lab, learn=learn)
    raise typer.Exit(command(task, jobs, as_json, Console(stderr=as_json)))


@app.command()
def trace(
    run_dir: Annotated[list[Path] | None, typer.Option(help="A run whose verdicts count; may be repeated.")] = None,
    station: Annotated[Path | None, typer.Option(help="Say what this station can prove.")] = None,
    as_json: Json = False,
) -> None:
    """Requirement -> tests -> verdict."""
    from bench.commands import trace as command

    refuse_what_bends_verdicts()
    raise typer.Exit(command.trace(run_dir or (), as_json, Console(), station))


_PROFILES = ("line", "acceptance", "regression", "certification", "client")
"""As in ``fixtures/words.py``, which the parent of a run does not import: pytest would come with it."""


def _profile(name: str) -> str:
    if name not in _PROFILES:
        raise typer.BadParameter(str(unknown("profile", name, _PROFILES, "choose one of them")))
    return name


def _wanted(place: str | None, tags: list[str], wait: str, coordinator: str, template: Path | None) -> Wanted | None:
    """The shared bench that is asked for."""
    if place is None and not tags:
        return None
    if place is not None and tags:
        raise typer.BadParameter("--place is one bench, --tag any that has it; say one of them")
    if template is None:
        raise typer.BadParameter("a shared bench needs the template of its station file: --station FILE")
    parts = [tag.partition("=") for tag in tags]
    for tag, (key, _, value) in zip(tags, parts, strict=True):
        if not key or not value:
            raise typer.BadParameter(f"--tag {tag!r}: say it as KEY=VALUE, like those in mcm-bench benches")
    from bench.commands.shared.keeper import Wanted

    return Wanted(coordinator, place or "", {key: value for key, _, value in parts}, _duration(wait) or 0.0)


def _job(said: list[str]) -> dict[str, str]:
    from bench.record import JOB

    job = dict(one.partition("=")[::2] for one in said)
    unknown = sorted(job.keys() - set(JOB))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not said of a run; there are {', '.join(JOB)}")
    return job


def _deveui(text: str | None) -> str | None:
    if text is None:
        return None
    from bench.station_file import deveui_of

    try:
        return deveui_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    from fixtures.words import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def main() -> None:
    """Entry point. A fault of the bench is one sentence and exit code 2: 1 is for units."""
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:    # as it is when the shell has closed it
                sys.stdout.flush()        # a full disk shows only now
    except OSError as error:
        said = (f"{error.filename or 'what it prints'}: expected to read or write it, saw "
                f"{(error.strerror or str(error)).lower()}; make room, or choose another place.")
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())    # Python flushes once more at its end
    except Exception as error:
        said = str(error) if isinstance(error, BenchError) else (
            f"{type(error).__name__}: {error}; report this as a fault of the bench")
    Console(stderr=True).print(f"mcm-bench: {said}", style="bold magenta", markup=False, soft_wrap=True)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
