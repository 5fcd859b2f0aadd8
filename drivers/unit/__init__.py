"""Units that live as a process of this machine: a host build of a firmware, or any other LwM2M client."""
