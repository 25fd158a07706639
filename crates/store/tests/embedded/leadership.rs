//! Which of several processes does the work of the background.

use artifact_store::{Access, StoreError};

use crate::contract::open;
use crate::fresh;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_leads_until_it_resigns() {
    let (options, _folder) = fresh().await;
    let (one, other) = (open(&options).await, open(&options).await);
    assert!(!one.leads() && !other.leads());
    assert!(one.lead().await.unwrap());
    assert!(!other.lead().await.unwrap());
    assert!(one.lead().await.unwrap(), "a leader goes on leading");
    assert!(one.leads() && !other.leads());

    other.resign().await.unwrap();
    assert!(!other.lead().await.unwrap(), "only the leader can resign");
    one.resign().await.unwrap();
    assert!(!one.leads());
    assert!(other.lead().await.unwrap());
    assert!(!one.lead().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_opened_to_read_does_not_lead() {
    let (options, _folder) = fresh().await;
    open(&options).await;
    let reader = open(&options.with_access(Access::Read)).await;
    assert!(matches!(reader.lead().await, Err(StoreError::ReadOnly)));
    reader.resign().await.unwrap();
}
