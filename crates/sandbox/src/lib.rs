//! Starts the emulated clouds on loopback: listeners, host names, proxy, clock and faults
