"""Equal seeds give equal units: all that is chance in the twin follows from its seed."""

from __future__ import annotations

from unit_lab import JSON, READY, world


def trace(seed: int) -> list[object]:
    """Three days with an outage, a reboot by the button and a power cut."""
    with world(seed, **{**READY, "brown_out_delay": 3600}, **JSON, readout_interval=30, transmit_interval=60,
               transmit_offset=5, transmit_delay=30, search_period=60, restart_backoff="0-3,1-9") as made:
        states: list[tuple[float, str]] = []
        told = made.unit.modem.on_state

        def on_state(state: str) -> None:
            states.append((made.clock.time(), state))
            told(state)

        made.unit.modem.on_state = on_state
        made.supply()
        made.clock.sleep(86400)
        made.air(False)
        made.clock.sleep(20_000)
        made.air(True)
        made.clock.sleep(30_000)
        made.press(7)
        made.clock.sleep(10_000)
        made.supply(0)
        made.clock.sleep(100)
        made.supply()
        made.clock.sleep(86400)
        charge = made.clock.call(lambda: made.unit.current.charge(0.0, made.clock.time()))
        return [states, made.edges, made.gateway.heard, made.gateway.telegrams, charge]


def test_one_seed_gives_one_trace_and_another_seed_another() -> None:
    first = trace(1)
    assert len(first[2]) > 50  # type: ignore[arg-type]
    assert trace(1) == first
    assert trace(2) != first
