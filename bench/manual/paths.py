"""The path of each resource of the manual, by its names in ``resources.toml``.

A class is an object as the manual names it, without the maker's name in front. An object with two instances has a class
for each; ``INSTANCE`` is the instance itself. A multiple resource has its own path here: ``/ 0`` is its instance 0.
Type checkers and Python refuse a name that is not here. What the manual does not list is written as a path.

>>> str(Device.FIRMWARE_VERSION)
'/3/0/3'

Written by ``python -m bench.commands.resource_paths``: correct ``resources.toml``, not this.
"""

from typing import Final

from bench.protocols.lwm2m_values import Path


class Security0:
    INSTANCE: Final = Path(0, 0)
    LWM2M_SERVER_URI: Final = Path(0, 0, 0)
    BOOTSTRAP_SERVER: Final = Path(0, 0, 1)
    SECURITY_MODE: Final = Path(0, 0, 2)
    PSK_IDENTITY: Final = Path(0, 0, 3)
    SECRET_KEY: Final = Path(0, 0, 4)
    SHORT_SERVER_ID: Final = Path(0, 0, 10)


class Security1:
    INSTANCE: Final = Path(0, 1)
    LWM2M_SERVER_URI: Final = Path(0, 1, 0)
    BOOTSTRAP_SERVER: Final = Path(0, 1, 1)
    SECURITY_MODE: Final = Path(0, 1, 2)
    PSK_IDENTITY: Final = Path(0, 1, 3)
    SECRET_KEY: Final = Path(0, 1, 4)
    SHORT_SERVER_ID: Final = Path(0, 1, 10)


class Server0:
    INSTANCE: Final = Path(1, 0)
    SHORT_SERVER_ID: Final = Path(1, 0, 0)
    LIFETIME: Final = Path(1, 0, 1)
    BOOTSTRAP_REQUEST_TRIGGER: Final = Path(1, 0, 9)


class Server1:
    INSTANCE: Final = Path(1, 1)
    SHORT_SERVER_ID: Final = Path(1, 1, 0)
    LIFETIME: Final = Path(1, 1, 1)
    REGISTRATION_UPDATE_TRIGGER: Final = Path(1, 1, 8)


class Device:
    INSTANCE: Final = Path(3, 0)
    MANUFACTURER: Final = Path(3, 0, 0)
    MODEL_NUMBER: Final = Path(3, 0, 1)
    SERIAL_NUMBER: Final = Path(3, 0, 2)
    FIRMWARE_VERSION: Final = Path(3, 0, 3)
    REBOOT: Final = Path(3, 0, 4)
    AVAILABLE_POWER_SOURCES: Final = Path(3, 0, 6)
    POWER_SOURCE_VOLTAGE: Final = Path(3, 0, 7)
    BATTERY_LEVEL: Final = Path(3, 0, 9)
    ERROR_CODE: Final = Path(3, 0, 11)
    CURRENT_TIME: Final = Path(3, 0, 13)
    UTC_OFFSET: Final = Path(3, 0, 14)
    HARDWARE_VERSION: Final = Path(3, 0, 18)


class ConnectivityMonitoring:
    INSTANCE: Final = Path(4, 0)
    NETWORK_BEARER: Final = Path(4, 0, 0)
    AVAILABLE_NETWORK_BEARER: Final = Path(4, 0, 1)
    RADIO_SIGNAL_STRENGTH: Final = Path(4, 0, 2)
    APN: Final = Path(4, 0, 7)
    CELL_ID: Final = Path(4, 0, 8)
    SMNC: Final = Path(4, 0, 9)
    SMCC: Final = Path(4, 0, 10)


class FirmwareUpdate:
    INSTANCE: Final = Path(5, 0)
    PACKAGE_URI: Final = Path(5, 0, 1)
    UPDATE: Final = Path(5, 0, 2)
    STATE: Final = Path(5, 0, 3)
    UPDATE_RESULT: Final = Path(5, 0, 5)
    FIRMWARE_UPDATE_PROTOCOL_SUPPORT: Final = Path(5, 0, 8)
    FIRMWARE_UPDATE_DELIVERY_METHOD: Final = Path(5, 0, 9)


class CellularConnectivity:
    INSTANCE: Final = Path(10, 0)
    PSM_TIMER: Final = Path(10, 0, 4)
    ACTIVE_TIMER: Final = Path(10, 0, 5)
    EDRX_PARAMETERS_FOR_NB_S1_MODE: Final = Path(10, 0, 9)
    ACTIVATED_PROFILE_NAMES: Final = Path(10, 0, 11)


class ApnConnectionProfile0:
    INSTANCE: Final = Path(11, 0)
    PROFILE_NAME: Final = Path(11, 0, 0)
    APN: Final = Path(11, 0, 1)
    AUTO_SELECT_APN_BY_DEVICE: Final = Path(11, 0, 2)
    AUTHENTICATION_TYPE: Final = Path(11, 0, 4)


class ApnConnectionProfile1:
    INSTANCE: Final = Path(11, 1)
    PROFILE_NAME: Final = Path(11, 1, 0)
    APN: Final = Path(11, 1, 1)
    AUTO_SELECT_APN_BY_DEVICE: Final = Path(11, 1, 2)
    AUTHENTICATION_TYPE: Final = Path(11, 1, 4)


class MdmServer:
    INSTANCE: Final = Path(33905, 0)
    URI: Final = Path(33905, 0, 0)
    PROTOCOL: Final = Path(33905, 0, 1)
    TRANSPORT_SECURITY_MODE: Final = Path(33905, 0, 2)
    TRANSPORT_SECRET_KEY: Final = Path(33905, 0, 5)
    CONNECTION_CONFIG: Final = Path(33905, 0, 10)
    TOPIC: Final = Path(33905, 0, 11)


class McmConfig:
    INSTANCE: Final = Path(33906, 0)
    METER_READOUT_INTERVAL: Final = Path(33906, 0, 0)
    REPORT_DATA_ENCODING: Final = Path(33906, 0, 1)
    REPORT_FRAME_TYPE: Final = Path(33906, 0, 2)
    ECO_MODE_ENABLED: Final = Path(33906, 0, 3)
    NFC_ENABLED: Final = Path(33906, 0, 4)
    NFC_CONFIG_LOCKED: Final = Path(33906, 0, 5)
    ADJUST_TIME: Final = Path(33906, 0, 6)
    INSTANTANEOUS_READOUT_TRIGGER: Final = Path(33906, 0, 10)
    HISTORIC_RESEND_TRIGGER: Final = Path(33906, 0, 13)
    HISTORIC_RESEND_STATUS: Final = Path(33906, 0, 14)
    APPLY_APN_STAGING_PROFILE: Final = Path(33906, 0, 15)
    CONFIG_WRITE_STATUS: Final = Path(33906, 0, 16)
    METER_REPORT_INTERVAL: Final = Path(33906, 0, 17)
    METER_TRANSMIT_INTERVAL: Final = Path(33906, 0, 18)
    METER_TRANSMIT_OFFSET: Final = Path(33906, 0, 19)
    METER_TRANSMIT_DELAY: Final = Path(33906, 0, 20)
    METER_UPLOADS_PER_TX: Final = Path(33906, 0, 21)
    DTLS_MIN_TIMEOUT: Final = Path(33906, 0, 22)
    DTLS_MAX_TIMEOUT: Final = Path(33906, 0, 23)
    MQTT_SN_COMMUNICATION_TIMEOUT: Final = Path(33906, 0, 24)
    MQTT_SN_COMMUNICATION_ATTEMPTS: Final = Path(33906, 0, 25)
    MQTT_SN_REGISTER_TIMEOUT: Final = Path(33906, 0, 26)
    MQTT_SN_REGISTER_ATTEMPTS: Final = Path(33906, 0, 27)
    MQTT_SN_PUBLISH_TIMEOUT: Final = Path(33906, 0, 28)
    MQTT_SN_PUBLISH_ATTEMPTS: Final = Path(33906, 0, 29)
    COAP_ACK_TIMEOUT: Final = Path(33906, 0, 30)
    COAP_MAX_RETRANSMIT: Final = Path(33906, 0, 31)
    IOWA_DTLS_MIN_TIMEOUT: Final = Path(33906, 0, 32)
    IOWA_DTLS_MAX_TIMEOUT: Final = Path(33906, 0, 33)
    IOWA_COMMUNICATION_RETRY_COUNT: Final = Path(33906, 0, 34)
    IOWA_COMMUNICATION_RETRY_DELAY: Final = Path(33906, 0, 35)
    IOWA_COMMUNICATION_SEQUENCE_RETRY_COUNT: Final = Path(33906, 0, 36)
    IOWA_COMMUNICATION_SEQUENCE_RETRY_DELAY: Final = Path(33906, 0, 37)
    NETWORK_CONNECTION_MAXIMUM_HOLD_OFF: Final = Path(33906, 0, 38)
    NETWORK_SEARCH_PERIOD: Final = Path(33906, 0, 39)
    MODEM_RESTART_BACK_OFF_INTERVALS: Final = Path(33906, 0, 40)
    MDM_RE_CONNECT_BACK_OFF_INTERVALS: Final = Path(33906, 0, 41)
    LWM2M_RESUME_BACK_OFF_INTERVALS: Final = Path(33906, 0, 42)
    METER_MAX_RETRY_COUNT: Final = Path(33906, 0, 43)
    AUTO_UPLOAD_AGE_LIMIT: Final = Path(33906, 0, 44)
    AUTO_UPLOAD_ORDER: Final = Path(33906, 0, 45)
    TIME_SYNC_SOURCE: Final = Path(33906, 0, 46)
    MDM_COMMUNICATION_FAILURES: Final = Path(33906, 0, 47)
    UPLOAD_PROTOCOL: Final = Path(33906, 0, 48)
    USE_PSM: Final = Path(33906, 0, 49)
    EDRX_MODE: Final = Path(33906, 0, 50)
    ENABLE_RAI: Final = Path(33906, 0, 51)
    POWER_SOURCE: Final = Path(33906, 0, 52)
    NB_IOT_RADIO_BANDS: Final = Path(33906, 0, 53)
    METER_IDENTIFICATION_SOURCE: Final = Path(33906, 0, 54)


class NbIotStatus:
    INSTANCE: Final = Path(33907, 0)
    UPTIME: Final = Path(33907, 0, 0)
    AVERAGE_CURRENT_CONSUMPTION: Final = Path(33907, 0, 1)
    NETWORK_CLASSIFICATION: Final = Path(33907, 0, 2)
    ECL: Final = Path(33907, 0, 3)
    RSSI: Final = Path(33907, 0, 4)
    SNR: Final = Path(33907, 0, 5)
    MDM_CONNECTION_STATUS: Final = Path(33907, 0, 10)
    CURRENT_RADIO_BAND: Final = Path(33907, 0, 11)


class MeterInfo:
    INSTANCE: Final = Path(33908, 0)
    METER_MODEL: Final = Path(33908, 0, 0)
    METER_ID: Final = Path(33908, 0, 1)
    COMMUNICATION_STATUS: Final = Path(33908, 0, 2)
    ERROR_FLAGS: Final = Path(33908, 0, 3)


class NbIotInfo:
    INSTANCE: Final = Path(33909, 0)
    IMSI: Final = Path(33909, 0, 0)
    ICCID: Final = Path(33909, 0, 1)
    REGISTRATIONS: Final = Path(33909, 0, 2)
    LAST_REGISTRATION_DURATION: Final = Path(33909, 0, 3)
    MODEM_MODEL: Final = Path(33909, 0, 4)
    MODEM_FIRMWARE: Final = Path(33909, 0, 5)
    REGISTRATION_UPTIME: Final = Path(33909, 0, 6)
    MODEM_FIRMWARE_UPDATE: Final = Path(33909, 0, 7)
    MODEM_FIRMWARE_UPDATE_RESULT: Final = Path(33909, 0, 8)


class TransactionStatistics:
    INSTANCE: Final = Path(33910, 0)
    RESET_STATISTICS: Final = Path(33910, 0, 0)
    TRANSACTIONS: Final = Path(33910, 0, 1)
    RETRANSMISSIONS: Final = Path(33910, 0, 2)
    LOST_TRANSACTIONS: Final = Path(33910, 0, 3)
    AVERAGE_RESPONSE_TIME: Final = Path(33910, 0, 4)
    MINIMUM_RESPONSE_TIME: Final = Path(33910, 0, 5)
    MAXIMUM_RESPONSE_TIME: Final = Path(33910, 0, 6)


class MeterData:
    INSTANCE: Final = Path(33911, 0)
    MESSAGE_TYPE: Final = Path(33911, 0, 0)
    MESSAGE_ENCODING: Final = Path(33911, 0, 1)
    MESSAGE_DATA: Final = Path(33911, 0, 2)
