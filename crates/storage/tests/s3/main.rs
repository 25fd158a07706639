//! The bucket: the contract of every backend, and what only a bucket has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../contract/mod.rs"]
mod contract;
mod crowd;
mod gateway;
mod opening;
mod probing;
mod writing;

use artifact_storage::{S3Options, Storage};

use gateway::{ACCESS_KEY, BUCKET, Gateway, SECRET};

/// The way to a prefix in the gateway's bucket.
pub(crate) fn options(gateway: &Gateway) -> S3Options {
    S3Options {
        endpoint: Some(gateway.endpoint.clone()),
        allow_http: true,
        ..S3Options::new(&format!("s3://{BUCKET}/a/prefix"), ACCESS_KEY, SECRET).unwrap()
    }
}

/// A storage in a new bucket, entered as writer 1.
pub(crate) async fn fresh() -> (Storage, Gateway) {
    let gateway = Gateway::start().await;
    let storage = Storage::open_s3(&options(&gateway), true).await.unwrap();
    storage.enter(1).await.unwrap();
    (storage, gateway)
}

mod contract_of_every_backend {
    crate::contract::contract!(crate::fresh);
}

mod contract_below_no_prefix {
    use artifact_storage::{S3Options, Storage};

    use crate::gateway::{BUCKET, Gateway};

    async fn fresh() -> (Storage, Gateway) {
        let gateway = Gateway::start().await;
        let options = crate::options(&gateway);
        let options = S3Options { prefix: String::new(), bucket: BUCKET.to_owned(), ..options };
        let storage = Storage::open_s3(&options, true).await.unwrap();
        storage.enter(1).await.unwrap();
        (storage, gateway)
    }

    crate::contract::contract! { {} fresh,
        an_object_comes_back_byte_for_byte,
        odd_names_are_kept_byte_for_byte,
        a_list_names_the_objects_of_its_package_and_no_others,
        packages_are_listed_by_name,
        a_package_is_removed_once_nothing_is_left_of_it,
    }
}
