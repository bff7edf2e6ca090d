//! What `/proc` says of mounts (proc_pid_mountinfo(5), proc_pid_fdinfo(5)).

/// The number of the mount that an open file is on: the line `mnt_id:` of its `fdinfo`.
pub fn mount_id(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

/// The options of the mount with this number, and whether it is shared, from `mountinfo`: its sixth field, and the optional
/// fields between that and a hyphen. The options are those of the mount and not of its file system.
pub fn mount_options(mountinfo: &str, id: u64) -> Option<(Vec<&str>, bool)> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ');
        if fields.next()?.parse::<u64>().ok()? != id {
            return None;
        }
        let options = fields.nth(4)?.split(',').collect();
        let shared = fields.take_while(|field| *field != "-").any(|field| field.starts_with("shared:"));
        Some((options, shared))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOUNTS: &str = "\
        22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        36 22 98:0 /mnt1 /mnt/with\\040blank ro,nosuid,noatime master:1 - ext3 /dev/root rw,errors=continue\n\
        37 22 0:5 / /private rw - tmpfs shared:2 rw\n";

    #[test]
    fn the_options_of_a_mount_are_those_of_its_own_line() {
        assert_eq!(mount_options(MOUNTS, 22), Some((vec!["rw", "relatime"], true)));
        assert_eq!(mount_options(MOUNTS, 36), Some((vec!["ro", "nosuid", "noatime"], false)));
    }

    #[test]
    fn what_stands_behind_the_hyphen_is_about_the_file_system() {
        assert_eq!(mount_options(MOUNTS, 37), Some((vec!["rw"], false)));
    }

    #[test]
    fn a_number_that_is_not_there_has_no_options() {
        assert_eq!(mount_options(MOUNTS, 3), None);
        assert_eq!(mount_options("", 22), None);
        assert_eq!(mount_options("22 1 254:1 /\n", 22), None);
    }

    #[test]
    fn the_mount_of_an_open_file_is_read() {
        assert_eq!(mount_id("pos:\t0\nflags:\t012600000\nmnt_id:\t92\nino:\t10216382\n"), Some(92));
        assert_eq!(mount_id("pos:\t0\n"), None);
        assert_eq!(mount_id("mnt_id:\tx\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(\\PC|\n| ){0,200}", id: u64) {
            mount_id(&text);
            mount_options(&text, id);
        }

        #[test]
        fn a_line_is_found_among_others(id in 1_u64..1000, options in prop::collection::vec("[a-z]{1,6}", 1..5), shared: bool) {
            let mark = if shared { " shared:7" } else { "" };
            let text = format!("1001 1 0:1 / / rw - proc proc rw\n{id} 1 0:1 /a /b {}{mark} - ext4 d rw\n", options.join(","));
            prop_assert_eq!(mount_options(&text, id), Some((options.iter().map(String::as_str).collect(), shared)));
        }
    }
}
