"""Units that are delivered otherwise, use other names, or keep other things over a factory reset."""

from __future__ import annotations

import asyncio

from bench.protocols.dtls import CipherSuite
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.uplink import Uplink
from bench.twin.lab import Lab
from bench.twin.variants.registry import variant

# -- delivery


@variant("delivered-as-ordered", place="5.3.5: a configuration can be added at the order process",
         ordered={"message_encoding": "JSON", "readout_interval": 15, "transmit_interval": 720})
def _(lab: Lab) -> None:
    """The unit is delivered with an encoding and intervals that were ordered."""
    lab.unit.settings.write({"message_encoding": 1, "readout_interval": 15, "transmit_interval": 720})


@variant("delivered-for-mains", place="U27",
         ordered={"transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 30, "coap_max_retransmit": 2})
def _(lab: Lab) -> None:
    """The unit is delivered for a mains supply: it sends each hour."""
    lab.unit.settings.write({"transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 30,
                             "coap_max_retransmit": 2})


@variant("delivered-with-a-topic", place="5.3.5: a configuration can be added at the order process",
         ordered={"mqtt_sn_topic": "ordered"})
def _(lab: Lab) -> None:
    """The unit is delivered with a topic."""
    lab.unit.settings.write({"mqttsn_topic": "ordered"})


@variant("delivered-locked", place="5.3.5: a configuration can be added at the order process",
         ordered={"configuration_lock": "Locked"})
def _(lab: Lab) -> None:
    """The unit is delivered with a closed lock: who has its PAK sets it up."""
    lab.unit.settings.write({"configuration_lock": 1})


# -- NFC


@variant("nfc-answers-after-a-second", place="how soon NFC answers")
class NfcAnswersAfterASecond(OtcService):
    """A write over NFC is answered a second later."""

    processing_s = 1.0


# -- factory reset (G17)


@variant("factory-reset-keeps-the-lock", place="G17")
class FactoryResetKeepsTheLock(Settings):
    """A locked unit is locked after a factory reset."""

    def reset(self) -> None:
        lock = self["configuration_lock"]
        super().reset()
        self.put({"configuration_lock": lock})


@variant("factory-reset-keeps-the-accounts", place="G17")
class FactoryResetKeepsTheAccounts(OtcSettings):
    """A factory reset leaves what bootstrap servers have written."""

    def factory_reset(self) -> None:
        self.settings.reset()


# -- meter data


@variant("topic-of-another-kind", place="G13")
class TopicOfAnotherKind(MdmClient):
    """The default topic has the DevEUI only."""

    def topic_name(self) -> str:
        return self.settings.text("mqttsn_topic") or f"meters/{self.deveui}"


# -- DTLS


@variant("gcm-and-ccm", place="G14")
class GcmAndCcm(Uplink):
    """The suites with GCM and CCM are offered, the one with CCM-8 last."""

    suites = (CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256, CipherSuite.TLS_PSK_WITH_AES_128_CCM,
              CipherSuite.TLS_PSK_WITH_AES_128_CCM_8)


@variant("cbc-as-a-last-resort", place="G14")
class CbcAsALastResort(Uplink):
    """A suite with CBC is offered after the one with CCM-8."""

    suites = (CipherSuite.TLS_PSK_WITH_AES_128_CCM_8, CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256)


# -- supply


@variant("lives-through-a-dip", place="what a unit's capacitors hold is not printed")
class LivesThroughADip(Power):
    """A dip of up to three seconds is nothing to the unit."""

    def supply_changed(self, volts: float) -> None:
        if volts < 2.3 and self.life.powered:
            self.life.clock.loop.call_later(3.0, lambda: super(LivesThroughADip, self).supply_changed(
                self.supply.value))
        else:
            super().supply_changed(volts)


@variant("starts-slowly", place="how long a start takes")
class StartsSlowly(Life):
    """Between start-up indication and search pass 20 s."""

    async def install_firmware(self) -> None:
        await super().install_firmware()
        await asyncio.sleep(20.0)
