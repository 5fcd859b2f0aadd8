"""The suites: the tests of the unit, by topic."""

FILES = (
    "line/test_delivery.py", "line/test_front.py", "line/test_life.py", "line/test_network.py", "line/test_power.py",
    "line/test_telegrams.py", "test_activation.py", "test_apn.py", "test_attacks.py", "test_bootstrap.py",
    "test_button.py", "test_composite.py", "test_declaration.py", "test_device_management.py", "test_dtls_client.py",
    "test_ets.py",
    "test_firmware.py", "test_joining.py", "test_led.py", "test_meter_influence.py", "test_meter_over_mbus.py",
    "test_meter_retries.py", "test_meter_versions.py", "test_mqttsn.py", "test_mqttsn_gateways.py", "test_network.py",
    "test_otc.py", "test_otc_settings.py", "test_payload_encodings.py", "test_payload_error_flags.py",
    "test_payload_examples.py", "test_payload_json.py", "test_payload_mbus.py", "test_payload_senml.py",
    "test_power.py", "test_radio_receiver.py", "test_radio_transmitter.py", "test_registration.py",
    "test_resource_behaviour.py", "test_resources.py", "test_retransmission.py", "test_schedule.py",
    "test_security.py", "test_setting_effects.py", "test_storage.py", "test_supply.py", "test_telegram.py",
    "test_time.py", "test_upload_failures.py", "test_upload_protocol.py",
)
"""All of them: a run from which one is missing is incomplete."""
