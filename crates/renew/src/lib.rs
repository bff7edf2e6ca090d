//! The one renewal worker: cache, single flight, refresh ahead, backoff, keep the last good one
