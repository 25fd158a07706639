//! Every logical path is a file name.

use artifact_domain::LogicalPath;
use artifact_domain::path::MAX_SEGMENT_BYTES;
use proptest::prelude::*;

use crate::contract::{bytes, create, list, package, payload, read};
use crate::fresh;

fn paths() -> impl Strategy<Value = LogicalPath> {
    let segment = prop_oneof![
        "[a-z]{1,3}",
        "[ -\\[\\]-~]{1,8}",
        "\\PC{1,20}",
        Just("x".repeat(MAX_SEGMENT_BYTES)),
        Just("#1".to_owned()),
        Just("%2F".to_owned()),
    ];
    prop::collection::vec(segment, 1..5).prop_filter_map("not a logical path", |segments| {
        LogicalPath::parse(segments.join("/")).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_logical_path_comes_back_byte_for_byte_and_lies_in_its_package(path in paths()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (storage, root) = fresh().await;
            let package = package();
            let key = payload(package, path.as_str());
            create(&storage, &key, bytes(33)).await;

            let listed = list(&storage, package).await;
            let listed: Vec<_> = listed.values().filter_map(|f| f.payload_path(package)).collect();
            assert_eq!(listed, [path.as_str()]);
            assert_eq!(read(&storage, &key).await.unwrap(), bytes(33));

            let data = root.path().join("packages").join(package.to_string()).join("data");
            let files: Vec<_> = crate::tree(&data).into_iter().filter(|(_, c)| c.is_some()).collect();
            assert_eq!(files, [(path.to_string(), Some(bytes(33).to_vec()))]);
        });
    }
}
