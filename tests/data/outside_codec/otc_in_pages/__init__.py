"""The format "pages/3": settings in the bare pages of a Type 2 Tag, without NDEF. Made up; no real unit has it.

All numbers are little endian.

======  ===============================================================================================================
page    content
======  ===============================================================================================================
04      "PGS3"
05-06   DevEUI, its last octet first
07-09   firmware, text, filled up with zeros
0A      bit 0: locked; outcome of the last request; how many settings have an outcome of their own; 0
0B      number of the last request, 0 before the first, FFFFFFFF for one that was not understood
0C      number of the next request
0D-10   challenge
11      length of the settings (2 octets), 0, 0
12-     settings; then register and outcome of each setting that was not taken
80      the request, this page written last: C5, 1 with a proof or else 0, length of its settings (2 octets)
81      its number
82-85   its proof: AES-CMAC with the PAK over number, challenge, DevEUI (as in pages 05-06) and settings; or zeros
86-     its settings
======  ===============================================================================================================

A setting is a register, a length and the value. The register of row R of Table T is (T - 8) * 32 + R. Numbers have the
sign in the highest bit; the length of a text has bit 7 set. The meter's clock is set in seconds since 2000.
"""
