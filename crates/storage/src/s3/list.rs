//! The names of packages, and whether a package has anything left.

use std::collections::VecDeque;
use std::sync::Arc;

use artifact_domain::{PackageId, bag};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};

use super::Bucket;
use crate::StorageError;

type Item = Result<String, StorageError>;

impl Bucket {
    /// The names of the folders in `packages/`: one request for a thousand names, one page in
    /// memory. The gateway steps over what lies in the folders, which costs it time: Ceph reads
    /// its index for each.
    pub(crate) fn package_names(self: &Arc<Self>) -> BoxStream<'static, Item> {
        let begin = Some(PaginatedListOptions {
            delimiter: Some("/".into()),
            ..PaginatedListOptions::default()
        });
        stream::unfold(
            (Arc::clone(self), begin, VecDeque::new()),
            |(bucket, mut next, mut page)| async move {
                // A page may be empty and yet not the last.
                while page.is_empty() {
                    next = bucket.page(next?, &mut page).await;
                }
                page.pop_front().map(|item| (item, (bucket, next, page)))
            },
        )
        .boxed()
    }

    /// Reads a page of names, and says how to read the next one.
    async fn page(
        &self,
        options: PaginatedListOptions,
        page: &mut VecDeque<Item>,
    ) -> Option<PaginatedListOptions> {
        let folder = format!("{}/", self.below("packages"));
        let found = match self.s3.list_paginated(Some(&folder), options.clone()).await {
            Ok(found) => found,
            Err(error) => {
                page.push_back(Err(StorageError::from_object_store("list", "packages", error)));
                return None;
            }
        };
        for path in found.result.common_prefixes {
            let key = self.key(&path);
            page.push_back(Ok(key.strip_prefix("packages/").unwrap_or(key).to_owned()));
        }
        for object in found.result.objects {
            let path = self.key(&object.location).to_owned();
            // Some tools make an empty object for a folder.
            if path != "packages" {
                let found = "an object where a folder has to be";
                page.push_back(Err(StorageError::Obstructed { operation: "list", path, found }));
            }
        }
        let page_token = Some(found.page_token?);
        Some(PaginatedListOptions { page_token, ..options })
    }

    /// Checks that no object of a package is left; there is no folder to remove.
    pub(crate) async fn remove_package(&self, package: PackageId) -> Result<(), StorageError> {
        let folder = bag::folder(package);
        match self.any_object(&folder).await {
            Ok(None) => Ok(()),
            Ok(Some(path)) => {
                Err(StorageError::Obstructed { operation: "remove", path, found: "an object" })
            }
            Err(error) => Err(StorageError::from_object_store("remove", &folder, error)),
        }
    }

    /// The key of an object in the folder, if there is one.
    pub(super) async fn any_object(&self, folder: &str) -> object_store::Result<Option<String>> {
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = format!("{}/", self.below(folder));
        let found = self.s3.list_paginated(Some(&prefix), options).await?;
        Ok(found.result.objects.first().map(|object| self.key(&object.location).to_owned()))
    }

    fn below(&self, folder: &str) -> String {
        match self.prefix.as_str() {
            "" => folder.to_owned(),
            prefix => format!("{prefix}/{folder}"),
        }
    }
}
