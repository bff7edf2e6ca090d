//! Sources and deliveries that belong to no cloud: file, environment, command, URL, raw token, JSON
