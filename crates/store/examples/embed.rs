//! Embeds a store in a program: a package is made, sealed and read back.
//!
//! `cargo run --example embed -- <folder>`

use artifact_store::{ArtifactStore, NewUpload, StoreOptions};
use futures::TryStreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "./artifact-store-data".to_owned());

    let store = ArtifactStore::open(&StoreOptions::embedded(folder)).await?;
    let announced =
        serde_json::from_str(r#"{"producer": "example", "title": "Two lines of evidence"}"#)?;
    let package = store.create_package(announced).await?;
    let path = "logs/build.log".parse()?;
    store.upload_bytes(package.id, NewUpload::new(path), "compiled\ntested\n").await?;
    let sealed =
        store.finalize(package.id, artifact_domain::wire::FinalizePackage::default()).await?;
    let (file, bytes) = store.read_file(sealed.id, &"logs/build.log".parse()?, None).await?;
    let bytes: Vec<_> = bytes.try_collect().await?;

    let manifest = sealed.manifest_sha256.ok_or("a sealed package has a manifest")?;
    let expiry = sealed.expires_at.map_or_else(|| "for ever".to_owned(), |at| at.to_string());
    let text = String::from_utf8(bytes.concat())?;
    let report = format!(
        "package {}\nmanifest {manifest}\nkept until {expiry}\n{}:\n{text}",
        sealed.id, file.path
    );
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes())?;
    Ok(())
}
