//! Ratios against the limit measured in the same run
