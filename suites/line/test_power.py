"""What the unit draws from its supply, manual chapter 8."""

from fixtures.words import judges, req

pytestmark = judges


@req("PWR-05")
def test_a_passive_unit_draws_no_more_than_the_sleep_current(life, measure):
    current = life.current_ua("passive")
    measure("power.passive.current", current["overall"], current["uncertainty"])


@req("PWR-04")
def test_a_joined_unit_sleeps_at_6_ua(life, measure):
    current = life.current_ua("sleep")
    measure("power.sleep.current", current["mean"], current["uncertainty"])
    measure("power.sleep.median", current["median"], current["uncertainty"])
    measure("power.sleep.overall", current["overall"])


@req("PWR-03")
def test_the_peak_of_an_activation_stays_below_400_ma(life, measure):
    peak_a, limit_a = life.fact("join", "peak_a"), life.fact("join", "limit_a")
    assert peak_a < 0.98 * limit_a, f"{peak_a:g} A, where supply and ammeter end"
    measure("power.peak.current", peak_a * 1e3, life.fact("join", "peak_uncertainty_a") * 1e3)


@req("BTN-04")
def test_a_unit_that_is_switched_off_draws_no_more_than_a_sleeping_one(life, measure):
    current = life.current_ua("switch-off")
    measure("power.off.current", current["overall"], current["uncertainty"])
