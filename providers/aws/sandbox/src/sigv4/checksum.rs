//! Checksums of objects ("Checking object integrity", S3 user guide): those that are polynomials, and SHA-256.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_jose::sha256;

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// CRC-32 of ISO 3309.
    Crc32,
    /// CRC-32C (RFC 3720, 12.1).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-256.
    Sha256,
}

impl Checksum {
    /// All, by the name of their header.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("x-amz-checksum-crc32", Self::Crc32),
        ("x-amz-checksum-crc32c", Self::Crc32c),
        ("x-amz-checksum-crc64nvme", Self::Crc64Nvme),
        ("x-amz-checksum-sha256", Self::Sha256),
    ];

    /// The one of this header.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        Self::ALL.iter().find_map(|(own, checksum)| (*own == name).then_some(*checksum))
    }

    /// The checksum of something.
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => crc(bytes, 0xedb8_8320, 0xffff_ffff).to_be_bytes().split_at(4).1.to_vec(),
            Self::Crc32c => crc(bytes, 0x82f6_3b78, 0xffff_ffff).to_be_bytes().split_at(4).1.to_vec(),
            Self::Crc64Nvme => crc(bytes, 0x9a6c_9329_ac4b_c9b5, u64::MAX).to_be_bytes().to_vec(),
            Self::Sha256 => sha256(bytes).to_vec(),
        }
    }
}

/// As it stands in headers and trailers.
pub(crate) fn encode(checksum: &[u8]) -> String {
    STANDARD.encode(checksum)
}

/// A reflected cyclic redundancy check, begun and ended with all ones.
fn crc(bytes: &[u8], polynomial: u64, ones: u64) -> u64 {
    let mut register = ones;
    for byte in bytes {
        register ^= u64::from(*byte);
        for _ in 0..8 {
            register = if register & 1 == 1 { (register >> 1) ^ polynomial } else { register >> 1 };
        }
    }
    register ^ ones
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of parametrised CRC algorithms.
    #[test]
    fn agrees_with_the_check_values() {
        let of = |checksum: Checksum| carnet_core::hex(&checksum.of(b"123456789"));
        assert_eq!(of(Checksum::Crc32), "cbf43926");
        assert_eq!(of(Checksum::Crc32c), "e3069283");
        assert_eq!(of(Checksum::Crc64Nvme), "ae8b14860a799888");
    }

    /// As boto3 sends it for `hello`.
    #[test]
    fn is_written_as_clients_write_it() {
        assert_eq!(encode(&Checksum::Crc32.of(b"hello")), "NhCmhg==");
    }
}
