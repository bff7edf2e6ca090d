//! Running as a service: health, metrics, traces, systemd, files that change, signals.
