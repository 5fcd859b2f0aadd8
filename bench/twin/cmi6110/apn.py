"""A new APN over device management, with the way back (manual 6.4): apply, restart, bootstrap, and only then keep it.

What has been applied is in flash until the next start-up, which is its trial. Any start-up ends a trial that was going
on: after a power cut the unit has its old APN. How long a trial lasts is not printed (G01).
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.twin.cmi6110.settings import Settings

MANUAL = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """``apn`` counts in ``MANUAL`` mode."""

    apn: str
    mode: int


class ApnTrial:
    """The APN that the unit asks the network for. ``limit_s``: how long a new one has to lead to a bootstrap."""

    limit_s = 1800.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._applied: Profile | None = None
        self._on_trial: Profile | None = None

    @property
    def is_on_trial(self) -> bool:
        return self._on_trial is not None

    def apply(self) -> None:
        """33906/0/15: what is staged in 11/1 gets its trial at the next start-up."""
        self._applied = Profile(self.settings.text("staged_apn"), self.settings.number("staged_apn_mode"))

    def start_up(self) -> None:
        self._on_trial, self._applied = self._applied, None

    def asked_for(self) -> str | None:
        """The APN to attach with; None leaves it to the network."""
        profile = self._on_trial or self.saved
        return profile.apn if profile.mode == MANUAL else None

    @property
    def saved(self) -> Profile:
        return Profile(self.settings.text("apn"), self.settings.number("apn_mode"))

    def bootstrapped(self) -> None:
        """A bootstrap has succeeded: the APN on trial is the one to stay."""
        if self._on_trial is not None:
            profile, self._on_trial = self._on_trial, None
            self.settings.write({"apn": profile.apn, "apn_mode": profile.mode})
