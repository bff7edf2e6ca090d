//! Telling systemd how it goes (sd_notify(3)). Without `NOTIFY_SOCKET` nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// It serves now.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It has read its configuration again.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// It reads its configuration again; [`reloaded`] must follow.
pub fn reloading() {
    // systemd 253 wants the monotonic time beside it (sd_notify(3), RELOADING=1).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It comes to its end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that it is alive at half of the interval that systemd asked for (`WATCHDOG_USEC`), until `shutdown`.
pub async fn watchdog(shutdown: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "telling systemd failed");
    }
}
