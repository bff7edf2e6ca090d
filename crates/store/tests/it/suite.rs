//! The conformance suite, against each backend.

use std::sync::Arc;

use carnet_store::{Options, Store, conformance, open, testing::TestPostgres};

async fn store(url: &str) -> Arc<dyn Store> {
    open(url, Options::default()).await.unwrap()
}

mod sqlite_file {
    use super::*;

    macro_rules! tests {
        ($($check:ident),+) => {$(
            #[tokio::test]
            async fn $check() {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite:{}", folder.path().join("store.db").display());
                conformance::$check(store(&url).await).await;
            }
        )+};
    }

    carnet_store::each_conformance_check!(tests);
}

mod sqlite_memory {
    use super::*;

    macro_rules! tests {
        ($($check:ident),+) => {$(
            #[tokio::test]
            async fn $check() {
                conformance::$check(store("sqlite::memory:").await).await;
            }
        )+};
    }

    carnet_store::each_conformance_check!(tests);
}

mod postgres {
    use super::*;

    macro_rules! tests {
        ($($check:ident),+) => {$(
            #[tokio::test]
            async fn $check() {
                let url = TestPostgres::shared().unwrap().database().unwrap();
                conformance::$check(store(&url).await).await;
            }
        )+};
    }

    carnet_store::each_conformance_check!(tests);
}
