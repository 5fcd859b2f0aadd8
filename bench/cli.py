"""The command ``mcm-bench``."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from bench.commands import export, policy, records
from bench.commands.allure import allure
from bench.commands.lock import StationLock
from bench.commands.papers import certificate, label
from bench.commands.stats import stats
from bench.commands.terminal import plain
from bench.environment import refuse_what_bends_verdicts
from bench.errors import BenchError, unknown
from bench.interruption import WAYS_OUT

if TYPE_CHECKING:
    from bench.commands.nights.order import NightOrder
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
app.add_typer(export.app, name="export")
for command_ in (stats, certificate, label, allure):
    app.command()(command_)
app.add_typer(policy.app, name="policy")

Station = Annotated[Path | None, typer.Option(help="Station file; without one the twin is used.")]
Defects = Annotated[list[str] | None, typer.Option("--defect", help="A deliberate fault of the twin; may be repeated.")]
Variants = Annotated[list[str] | None, typer.Option(
    "--variant", help="A legal unit or meter that differs from the twin's usual one; may be repeated.")]
Faults = Annotated[list[str] | None, typer.Option(
    "--fault", help="A deliberate fault of the twin's instruments; may be repeated.")]
Likes = Annotated[Path | None, typer.Option(
    "--like", metavar="FILE", help="The twin is like the unit that mcm-bench learn has written to this file.")]
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
Budget = Annotated[str | None, typer.Option(
    help="Device time that there is, e.g. '10 h': what proves most statements per hour runs, and the end is in time.")]
Must = Annotated[list[str] | None, typer.Option(
    metavar="WORD", help="Runs whatever the plan: a requirement (BTN-*) or a part of a test's name; repeatable.")]
LearnFrom = Annotated[list[Path] | None, typer.Option(
    metavar="RUN", help="A run that tells how long tests take; repeatable. Else those below runs/.")]
GoOn = Annotated[list[Path] | None, typer.Option(
    metavar="RUN", help="A night that was broken off: what has run in it does not run again; repeatable. Without "
                        "--budget it has what that one has left.")]
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
    like: Likes = None,
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
    budget: Budget = None,
    must: Must = None,
    share: Annotated[str | None, typer.Option(
        metavar="I/K", help="Of K units that share the night this is the I-th: with the same runs to learn from each "
                            "has another part.")] = None,
    learn_from: LearnFrom = None,
    go_on: GoOn = None,
    firmware: Annotated[list[Path] | None, typer.Option(
        metavar="PACKAGE", help="Put this build into the unit over the air before it is tested; repeatable, one after "
                                "the other.")] = None,
    then: Annotated[Path | None, typer.Option(
        metavar="PACKAGE", help="An update in the loop: test on --firmware, update to this one and look at what "
                                "updates promise, test again, compare.")] = None,
    promises: Annotated[str, typer.Option(
        help="With --then: which of the promises of an update, in the words of -k; else all.")] = "",
    junit: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write the results as JUnit XML, too: the bench's faults are errors, the unit's failures.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Exit codes that a CI wants in place of these: docs/how-to/ci.md.")] = None,
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
    variant = _with(like, variant)
    if station is not None and (defect or variant or fault or codec):
        raise typer.BadParameter(
            "these are for the twin that the run starts itself: --defect, --variant, --like, --fault, --codec; leave "
            "them out with --station")
    profile = _profile(profile)
    if host_build is not None and (station is not None or defect or variant or codec or profile == "line"):
        raise typer.BadParameter("--host-build takes the place of the twin's unit, which --defect, --variant and "
                                 "--codec change and the line reads over NFC; without them and --station")
    night = _night(budget, must, share, learn_from, go_on)
    if night is not None and (jobs > 1 or lab in ("file", "test") or profile == "line" or shuffle is not None):
        raise typer.BadParameter("a night is one life in the order of its plan: without -n, --lab, --shuffle and the "
                                 "profile line")
    if (then is not None or promises) and (len(firmware or ()) != 1 or then is None or night is not None or place or tag
                                           or profile == "line" or host_build is not None or dry_run):
        raise typer.BadParameter("--then is for one --firmware, the build to begin with, at a bench of one's own; "
                                 "--promises is for --then. Without --budget, --place, --tag, --host-build, --dry-run "
                                 "and the profile line")
    wanted = _wanted(place, tag or [], wait, coordinator, station)
    if spread and (not tag or profile == "line"):
        raise typer.BadParameter("--spread goes over all benches with a tag, and the line has one unit with one life: "
                                 "say --tag, and another profile")
    lock = StationLock(station, f"run {profile}") if (
        station is not None and not dry_run and not wanted and then is None) else None
    from bench.commands.exit_policy import load_policy
    from bench.commands.order import Order, default_run_dir, last_failed
    from bench.commands.supervise import supervise
    from bench.commands.terminal import terminal
    from bench.store.address import StoreAddress

    codes = load_policy(policy) if policy is not None else None    # a bad one is told before anything is tested
    order = Order(
        profile=profile, run_dir=run_dir or default_run_dir("update" if then is not None else profile),
        station=station, unit=_deveui(unit), seed=seed, defects=defect or (), variants=variant or (),
        faults=fault or (), expression=expression, files=last_failed(profile) if failed else (),
        max_device_time_s=_duration(max_device_time),
        jobs=jobs if station is None and profile != "line" else 1,    # the line has one unit with one life
        doctor=doctor, lab="run" if night is not None and station is None else lab, night=night,
        firmware=[path.resolve() for path in firmware or ()], then=then.resolve() if then is not None else None,
        junit=junit.resolve() if junit is not None else None,
        over=over, codec=codec, cell=cell, meter=meter, host_build=host_build, shuffle=shuffle,
        store=StoreAddress.of(store) if store is not None else None, job=_job(job or []))
    if dry_run:
        from bench.commands.catalogue import what_would_run

        raise typer.Exit(what_would_run(order, plain()))
    if then is not None:
        from bench.commands.update_loop import UpdateLoop

        code = UpdateLoop(order, promises).to_its_end(terminal())
    elif spread and wanted is not None:
        from bench.commands.shared.spread import spread as over_all

        code = over_all(order, wanted, terminal())
    else:
        code = supervise(order, terminal(), lock, wanted)
    raise typer.Exit(codes[code] if codes is not None else code)


@app.command()
def plan(
    profile: Annotated[str, typer.Argument(help="acceptance, regression or certification.")],
    budget: Budget = None,
    units: Annotated[int, typer.Option(min=1, max=100, help="So many units side by side split the night.")] = 1,
    station: Station = None,
    must: Must = None,
    learn_from: LearnFrom = None,
    go_on: GoOn = None,
    expression: Annotated[str, typer.Option("-k", help="Only tests that match, as in pytest.")] = "",
    as_json: Json = False,
) -> None:
    """Plan a night: which tests of the profile are worth the device time that there is, and what they leave out."""
    refuse_what_bends_verdicts()
    night = _night(budget, must, f"1/{units}", learn_from, go_on)
    if night is None:
        raise typer.BadParameter("--budget says how long the night is, e.g. '10 h'")
    from bench.commands.nights.command import show_plan

    raise typer.Exit(show_plan(_profile(profile), night, station, expression, as_json, plain()))


@app.command()
def bisect(
    packages: Annotated[list[Path] | None, typer.Argument(
        metavar="[PACKAGE]...", help="The builds between the two, in their order.")] = None,
    good: Annotated[Path, typer.Option(metavar="PACKAGE", help="A build that passes.")] = ...,  # type: ignore[assignment]
    bad: Annotated[Path, typer.Option(metavar="PACKAGE", help="A later one that fails.")] = ...,  # type: ignore[assignment]
    expression: Annotated[str, typer.Option("-k", help="The test, as in pytest.")] = ...,  # type: ignore[assignment]
    profile: Annotated[str, typer.Option(help="The profile that it is of.")] = "certification",
    station: Station = None,
    one_in: Annotated[float, typer.Option(
        min=1, max=20, help="The test may fail in one of so many runs only: builds are run again.")] = 1.0,
    confidence: Annotated[float, typer.Option(
        min=0.5, max=0.99999, help="With which a build is named where the test is flaky.")] = 0.9995,
    most_runs: Annotated[int, typer.Option(min=3, help="No more runs than these.")] = 60,
    seed: Seed = 1,
    run_dir: Annotated[Path | None, typer.Option(
        help="Where the runs go; a search that was broken off goes on there. Else a new one in runs/.")] = None,
    as_json: Json = False,
) -> None:
    """Find the build that broke a test: each is put into the unit over the air, and tested.

    Exit codes: 0 found, 2 the ends are not as they were said to be, 3 not found within the runs.
    """
    refuse_what_bends_verdicts()
    from bench.commands.bisect.command import Task, by_command
    from bench.commands.bisect.command import bisect as command
    from bench.commands.order import default_run_dir

    arguments = [_profile(profile), "-k", expression, *(["--station", str(station)] if station is not None else
                                                        ["--lab", "run", "--no-doctor"])]
    task = Task([good, *(packages or ()), bad], run_dir or default_run_dir("bisect"), one_in, confidence, most_runs)
    raise typer.Exit(command(task, by_command(arguments, seed), as_json, plain(stderr=as_json)))


@app.command()
def benches(
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    free: Annotated[list[str] | None, typer.Option(
        metavar="PLACE", help="Take the lock off this place, whoever has it: ask them first. May be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """List shared benches: who has which since when, what each offers, and what the doctor said last."""
    from bench.commands.shared.benches import benches as command

    raise typer.Exit(command(coordinator, free or (), as_json, plain()))


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

    command.show(what, words or (), _profile(profile) if profile else None, requirement, as_json, plain())


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

    raise typer.Exit(print_judgement(run_dir, limits, as_json, plain()))


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

    raise typer.Exit(command.decode(telegrams, encoding, as_json, plain()))


@app.command()
def twin(
    seed: Seed = 1,
    defect: Defects = None,
    variant: Variants = None,
    like: Likes = None,
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

    command.twin(seed, defect or (), _with(like, variant) or (), station_out, plain(highlight=False), cell=cell,
                 supply=supply, log=log, codec=codec, over=over, meter=meter, rfc2217=rfc2217)


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
def station(
    stations: Annotated[list[Path] | None, typer.Option(
        "--station", metavar="FILE", help="Station file of a place; repeat it for each place.")] = None,
    twin: Annotated[int, typer.Option(min=0, max=64, help="So many places of the twin instead, to try it out.")] = 0,
    real_time: Annotated[bool, typer.Option(
        "--real-time", help="The twin takes as long as a unit does; else a unit takes seconds.")] = False,
    twin_defects: Annotated[Path | None, typer.Option(
        help='Which units of the twin are broken: JSON such as {"94193A0401000001": ["sleep-current-high"]}.')] = None,
    folder: Annotated[Path, typer.Option("--runs", help="Folder of the runs; one station has it.")
                      ] = Path("runs/station"),
    store: records.StoreUrl = None,
    start: Annotated[Literal["scan", "page", "lid"], typer.Option(
        help="What starts a unit: its scan, a key or button of the page, or the fixture's lid.")] = "scan",
    prompts: Annotated[Path | None, typer.Option(
        help="What operators are asked before each unit, with pictures: docs/how-to/run-a-line.md.")] = None,
    policies: Annotated[Path | None, typer.Option(
        help="Policies of the line (docs/how-to/policies.md); without them nobody is told apart by a badge.")] = None,
    page: Annotated[str, typer.Option(
        help="Address of the page. Others than loopback take a token in MCM_BENCH_TOKEN.")] = "127.0.0.1:8081",
    name: Annotated[str, typer.Option(help="What the page and the records call the station.")] = "line",
) -> None:
    """Run the line: one page for all places, one process for each, each unit with its record in the store."""
    refuse_what_bends_verdicts()
    from bench.commands.station.command import Asked
    from bench.commands.station.command import station as command
    from bench.commands.terminal import terminal

    asked = Asked(stations or (), twin, real_time, twin_defects, folder, store, start, prompts, policies, page, name)
    raise typer.Exit(command(asked, terminal()))


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

    raise typer.Exit(command.doctor(station, plain(), lock, as_json=as_json, reference_load=reference_load,
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
    raise typer.Exit(command(task, jobs, as_json, plain(stderr=as_json)))


@app.command()
def trace(
    run_dir: Annotated[list[Path] | None, typer.Option(help="A run whose verdicts count; may be repeated.")] = None,
    station: Annotated[Path | None, typer.Option(help="Say what this station can prove.")] = None,
    as_json: Json = False,
) -> None:
    """Requirement -> tests -> verdict."""
    from bench.commands import trace as command

    refuse_what_bends_verdicts()
    raise typer.Exit(command.trace(run_dir or (), as_json, plain(), station))


@app.command()
def compare(
    runs: Annotated[list[Path] | None, typer.Argument(
        metavar="[OLD NEW]", help="Directories of two runs, or folders with several runs of a side.")] = None,
    old: Annotated[list[Path] | None, typer.Option(help="One more run of the old side; may be repeated.")] = None,
    new: Annotated[list[Path] | None, typer.Option(help="One more run of the new side; may be repeated.")] = None,
    store: records.StoreUrl = None,
    station: Annotated[Path | None, typer.Option(help="Station file whose [store] is meant.")] = None,
    where: Annotated[list[str] | None, typer.Option(
        metavar="QUERY", help="Twice: the old side, then the new, from the store, such as "
                              "firmware=2.3.1,profile=regression,limit=5.")] = None,
    history: Annotated[list[Path] | None, typer.Option(
        help="Earlier runs, which tell what is flaky; a folder has those of one firmware; may be repeated.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Which changes are a regression; docs/how-to/compare.md.")] = None,
    known: Annotated[Path | None, typer.Option(help="Known issues, each with its expiry.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for compare.html and compare.json.")] = None,
    junit: Annotated[Path | None, typer.Option(help="File for the result as JUnit.")] = None,
    as_json: Json = False,
) -> None:
    """Say what changed from one firmware to another: verdicts, times, energies, telegrams, LwM2M, conversations.

    Exit code: 0 no regression by the policy, 1 one at least, 2 a fault of the bench, 3 nothing in common.
    """
    from bench.commands.compare.command import Task
    from bench.commands.compare.command import compare as command

    task = Task(runs=runs or (), old=old or (), new=new or (), store=store, station=station, where=where or (),
                history=history or (), policy=policy, known=known, out=out, junit=junit)
    raise typer.Exit(command(task, as_json, plain()))


@app.command()
def learn(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs of one unit.")],
    out: Annotated[Path, typer.Option(help="The unit file: for --like of run and twin.")],
    even_failed: Annotated[bool, typer.Option(
        "--even-failed", help="Also from a run that failed, or of a defect of the twin.")] = False,
    seed: Annotated[int, typer.Option(help="Of the first trial; each has another one.")] = 1000,
    trials: Annotated[Path | None, typer.Option(help="Folder in which the runs of the trials stay.")] = None,
) -> None:
    """Fit the twin to recorded runs of a unit, and list what it can't be made to show.

    Exit code: 0 told from the unit in nothing beyond chance, 2 a fault of the bench, 3 something is left and listed.
    """
    refuse_what_bends_verdicts()
    from bench.commands.learn.command import learn as command
    from bench.commands.learn.task import Task

    raise typer.Exit(command(Task(runs=runs, out=out, even_failed=even_failed, seed=seed, trials=trials), plain()))


@app.command()
def certify(
    pack: Annotated[list[str] | None, typer.Argument(
        metavar="PACK...", help="Names of packs (--list), or paths of their files.")] = None,
    station: Station = None,
    unit: Annotated[str | None, typer.Option(help="DevEUI of the unit, in any usual spelling.")] = None,
    pics: Annotated[Path | None, typer.Option(
        help="The maker's PICS and PIXIT; else what the manual says of the CMi6110 (docs/packs.md).")] = None,
    run_dir: Annotated[Path | None, typer.Option(
        help="Where the pack goes; else a new folder in runs/. A pack that was interrupted goes on there.")] = None,
    keys: Annotated[list[Path] | None, typer.Option(
        "--keys", help="Key file of a lot (mode 600): its units must have no key in common; may be repeated.")] = None,
    report_only: Annotated[bool, typer.Option(
        "--report-only", help="Test nothing: make the pack again of the runs in --run-dir.")] = False,
    seed: Seed = 1,
    defect: Defects = None,
    variant: Variants = None,
    jobs: Annotated[int, typer.Option("-n", min=1, help="Processes, on the twin only.")] = 1,
    over: Over = "nfc",
    show: Annotated[bool, typer.Option("--list", help="List the packs there are.")] = False,
    as_json: Json = False,
) -> None:
    """Make a certification pack: a pre-check with evidence, and no conformity assessment.

    Exit code: 1 with an indication of non-conformity, 2 when the bench could not do its part, 3 with something
    inconclusive, else 0.
    """
    refuse_what_bends_verdicts()
    if station is not None and (defect or variant):
        raise typer.BadParameter("--defect and --variant are for the twin; without --station")
    from bench.commands.certify.command import Task, list_packs
    from bench.commands.certify.command import certify as command
    from bench.commands.order import Order, default_run_dir
    from bench.commands.terminal import terminal

    if show or not pack:
        raise typer.Exit(list_packs(plain(), as_json=as_json))
    console = plain(stderr=True) if as_json else terminal()
    order = Order("all", run_dir or default_run_dir("certify"), station=station, unit=_deveui(unit), seed=seed,
                  defects=defect or (), variants=variant or (), over=over, jobs=jobs if station is None else 1)
    raise typer.Exit(command(Task(pack, order, pics, report_only, keys or ()), console, as_json=as_json))


_PROFILES = ("line", "acceptance", "regression", "certification", "client")
"""As in ``fixtures/words.py``, which the parent of a run does not import: pytest would come with it."""


def _with(like: Path | None, variants: list[str] | None) -> list[str] | None:
    """A unit that was learned goes the way of variants, by its file."""
    return [*(variants or []), f"like:{like.resolve()}"] if like is not None else variants


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


def _night(budget: str | None, must: list[str] | None, share: str | None, learn_from: list[Path] | None,
           go_on: list[Path] | None) -> NightOrder | None:
    """The night that is asked for, if one is."""
    from bench.commands.nights.order import NightOrder, left_of

    if budget is None and not go_on:
        if must or (share or "1/1") != "1/1" or learn_from:
            raise typer.BadParameter("--must, --share and --learn-from are for a run with a --budget")
        return None
    found = re.fullmatch(r"([1-9]\d?)/([1-9]\d?)", share or "1/1")
    if found is None or int(found[1]) > int(found[2]):
        raise typer.BadParameter(f"--share {share}: write which unit of how many, e.g. 2/4")
    budget_s = _duration(budget)
    return NightOrder(left_of(go_on or []) if budget_s is None else budget_s, must or (), int(found[1]), int(found[2]),
                      [path.resolve() for path in learn_from or ()], [path.resolve() for path in go_on or ()])


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
    plain(stderr=True).print(Text(f"mcm-bench: {said}", "bold magenta"), soft_wrap=True)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
