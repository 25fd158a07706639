//! How the bucket is set up, as far as its key may look.
//!
//! `object_store` has no words for these questions, so they are signed and sent here. The answers
//! are those of the S3 API: `GetBucketVersioning`, `GetObjectLockConfiguration`,
//! `GetBucketLifecycleConfiguration` and `ListBuckets`.

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequestBody, HttpResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Bucket;
use super::answer::Words;
use crate::Setting;

/// The most bytes of an answer that are read: a bucket has a thousand rules at most.
const LONGEST_ANSWER: usize = 4 << 20;

/// Where the bucket's settings are asked for.
#[derive(Debug)]
pub(super) struct SettingsAddress {
    /// The bucket itself.
    pub(super) bucket: String,
    /// The service, which lists buckets; none where the endpoint is the bucket's own.
    pub(super) service: Option<String>,
    pub(super) region: String,
}

/// What was asked of a bucket.
pub(super) struct Settings {
    pub(super) versioning: Setting,
    pub(super) object_lock: Setting,
    pub(super) expiry_rule: Setting,
    pub(super) abort_rule: Setting,
    pub(super) wide_rights: Setting,
}

impl Settings {
    pub(super) async fn ask(bucket: &Bucket) -> Self {
        let (expiry_rule, abort_rule) = lifecycle(bucket).await;
        Self {
            versioning: versioning(bucket).await,
            object_lock: object_lock(bucket).await,
            expiry_rule,
            abort_rule,
            wide_rights: wide_rights(bucket).await,
        }
    }
}

/// How a question ended that was not answered with what was asked for.
enum Refused {
    /// There is no such setting at this bucket.
    Unset,
    /// Whatever else.
    Unknown(String),
}

impl Refused {
    fn into_setting(self) -> Setting {
        match self {
            Self::Unset => Setting::Off,
            Self::Unknown(reason) => Setting::Unknown(reason),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versioning {
    status: Option<String>,
}

async fn versioning(bucket: &Bucket) -> Setting {
    let answer: Result<Versioning, Refused> = get(bucket, "versioning").await;
    let kept = "the bytes of what is deleted stay as older versions until a rule removes them";
    match answer {
        Ok(Versioning { status: Some(status) }) if status == "Enabled" => {
            Setting::On(kept.to_owned())
        }
        Ok(Versioning { status: Some(status) }) if status == "Suspended" => {
            Setting::On(format!("suspended; of objects from before, {kept}"))
        }
        Ok(_) => Setting::Off,
        Err(refused) => refused.into_setting(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ObjectLock {
    object_lock_enabled: Option<String>,
    rule: Option<LockRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockRule {
    default_retention: Option<DefaultRetention>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultRetention {
    mode: Option<String>,
    days: Option<u64>,
    years: Option<u64>,
}

async fn object_lock(bucket: &Bucket) -> Setting {
    let lock: ObjectLock = match get(bucket, "object-lock").await {
        Ok(lock) => lock,
        Err(refused) => return refused.into_setting(),
    };
    if lock.object_lock_enabled.as_deref() != Some("Enabled") {
        return Setting::Off;
    }
    Setting::On(match lock.rule.and_then(|rule| rule.default_retention) {
        None => "without a default retention".to_owned(),
        Some(DefaultRetention { mode, days, years }) => {
            let mode = mode.unwrap_or_default();
            let (term, unit) = years.map_or((days.unwrap_or(0), "days"), |years| (years, "years"));
            format!("no version of an object goes before {term} {unit} have passed ({mode})")
        }
    })
}

#[derive(Deserialize)]
struct Lifecycle {
    #[serde(rename = "Rule", default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    #[serde(rename = "ID")]
    id: Option<String>,
    status: Option<String>,
    prefix: Option<String>,
    filter: Option<Filter>,
    expiration: Option<Expiration>,
    abort_incomplete_multipart_upload: Option<AbortIncomplete>,
}

/// Which objects a rule is for. A filter by size is taken as one that fits: it may.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    prefix: Option<String>,
    tag: Option<Tag>,
    and: Option<And>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct And {
    prefix: Option<String>,
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Expiration {
    days: Option<u64>,
    date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AbortIncomplete {
    days_after_initiation: Option<u64>,
}

impl Rule {
    /// The names it is for; `None` if it is for none of ours, which have no tags.
    fn prefix(&self) -> Option<&str> {
        let Some(filter) = &self.filter else {
            return Some(self.prefix.as_deref().unwrap_or_default());
        };
        let and = filter.and.as_ref();
        if filter.tag.is_some() || and.is_some_and(|and| !and.tags.is_empty()) {
            return None;
        }
        let prefix = filter.prefix.as_ref().or_else(|| and?.prefix.as_ref());
        Some(prefix.or(self.prefix.as_ref()).map_or("", String::as_str))
    }

    fn is_for(&self, ours: &str) -> bool {
        self.status.as_deref() == Some("Enabled")
            && self
                .prefix()
                .is_some_and(|prefix| ours.starts_with(prefix) || prefix.starts_with(ours))
    }

    fn name(&self) -> &str {
        self.id.as_deref().unwrap_or("without a name")
    }
}

/// Whether a rule expires our objects, and whether one aborts our unfinished uploads.
async fn lifecycle(bucket: &Bucket) -> (Setting, Setting) {
    let rules = match get::<Lifecycle>(bucket, "lifecycle").await {
        Ok(lifecycle) => lifecycle.rules,
        Err(Refused::Unset) => Vec::new(),
        Err(Refused::Unknown(reason)) => {
            return (Setting::Unknown(reason.clone()), Setting::Unknown(reason));
        }
    };
    let ours = match bucket.prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut found = (Setting::Off, Setting::Off);
    for rule in rules.iter().filter(|rule| rule.is_for(&ours)) {
        let name = rule.name();
        match &rule.expiration {
            Some(Expiration { days: Some(days), .. }) => {
                found.0 =
                    Setting::On(format!("the rule {name:?} deletes objects after {days} days"));
            }
            Some(Expiration { date: Some(date), .. }) => {
                found.0 = Setting::On(format!("the rule {name:?} deletes objects on {date}"));
            }
            // It only removes the markers that versioning leaves.
            Some(Expiration { .. }) | None => {}
        }
        if let Some(abort) = &rule.abort_incomplete_multipart_upload {
            let days = abort.days_after_initiation.unwrap_or(0);
            found.1 = Setting::On(format!("after {days} days"));
        }
    }
    found
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AllBuckets {
    buckets: Option<Buckets>,
}

#[derive(Deserialize)]
struct Buckets {
    #[serde(rename = "Bucket", default)]
    buckets: Vec<NamedBucket>,
}

#[derive(Deserialize)]
struct NamedBucket {}

/// Whether the key belongs to an account that owns buckets: then it may do more than store.
async fn wide_rights(bucket: &Bucket) -> Setting {
    let Some(service) = &bucket.settings.service else {
        return Setting::Unknown("the endpoint is the bucket's own".to_owned());
    };
    match ask::<AllBuckets>(bucket, service).await {
        Ok(all) => match all.buckets.map_or(0, |all| all.buckets.len()) {
            0 => Setting::Off,
            owned => Setting::On(format!(
                "the key belongs to an account that owns {owned} buckets and may remove them"
            )),
        },
        Err(Refused::Unknown(reason)) if reason.starts_with("AccessDenied") => Setting::Off,
        Err(refused) => refused.into_setting(),
    }
}

async fn get<T: DeserializeOwned>(bucket: &Bucket, question: &str) -> Result<T, Refused> {
    ask(bucket, &format!("{}?{question}", bucket.settings.bucket)).await
}

/// Asks once: this is for a report.
async fn ask<T: DeserializeOwned>(bucket: &Bucket, url: &str) -> Result<T, Refused> {
    let unknown = |error: &dyn std::fmt::Display| Refused::Unknown(error.to_string());
    let credential =
        bucket.s3.credentials().get_credential().await.map_err(|error| unknown(&error))?;
    let mut request = http::Request::builder()
        .method(Method::GET)
        .uri(url)
        .body(HttpRequestBody::empty())
        .map_err(|error| unknown(&error))?;
    AwsAuthorizer::new(&credential, "s3", &bucket.settings.region)
        .try_authorize(&mut request, None)
        .map_err(|error| unknown(&error))?;
    let answer = bucket.connector.ask(request).await.map_err(|error| unknown(&error))?;
    let status = answer.status();
    let text = read(answer).await.map_err(|error| unknown(&error))?;
    if status == StatusCode::OK {
        return quick_xml::de::from_str(&text).map_err(|error| unknown(&error));
    }
    let words = Words::of_text(&text);
    Err(match words.code() {
        "NoSuchLifecycleConfiguration" | "ObjectLockConfigurationNotFoundError" => Refused::Unset,
        "" => Refused::Unknown(format!("the gateway answered {status}")),
        _ => unknown(&words.into_io()),
    })
}

async fn read(answer: HttpResponse) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let body = http_body_util::Limited::new(answer.into_body(), LONGEST_ANSWER);
    Ok(String::from_utf8(body.collect().await?.to_bytes().into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<Rule> {
        let text = format!("<LifecycleConfiguration>{text}</LifecycleConfiguration>");
        quick_xml::de::from_str::<Lifecycle>(&text).unwrap().rules
    }

    #[test]
    fn a_rule_is_for_us_if_it_is_for_what_lies_above_or_below_our_prefix() {
        for (filter, is_for_us) in [
            ("", true),
            ("<Prefix></Prefix>", true),
            ("<Prefix>a/</Prefix>", true),
            ("<Prefix>b/</Prefix>", false),
            ("<Filter></Filter>", true),
            ("<Filter><Prefix>a/store</Prefix></Filter>", true),
            ("<Filter><Prefix>a/store/packages/</Prefix></Filter>", true),
            ("<Filter><Prefix>a/storehouse</Prefix></Filter>", false),
            ("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", false),
            (
                "<Filter><And><Prefix>a/</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>",
                true,
            ),
            (
                "<Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>",
                false,
            ),
        ] {
            for (status, enabled) in [("Enabled", true), ("Disabled", false)] {
                let text = format!("<Rule>{filter}<Status>{status}</Status></Rule>");
                let rules = rules(&text);
                assert_eq!(rules.len(), 1);
                assert_eq!(rules[0].is_for("a/store/"), is_for_us && enabled, "{text}");
            }
        }
    }

    #[test]
    fn a_rule_says_what_it_does() {
        let rules = rules(
            "<Rule><ID>old</ID><Filter/><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule>
             <Rule><Filter/><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>
             <Rule><Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>",
        );
        assert_eq!(rules[0].name(), "old");
        assert_eq!(rules[0].expiration.as_ref().unwrap().days, Some(30));
        let abort = rules[1].abort_incomplete_multipart_upload.as_ref().unwrap();
        assert_eq!(abort.days_after_initiation, Some(7));
        let marker = rules[2].expiration.as_ref().unwrap();
        assert!(marker.days.is_none() && marker.date.is_none());
    }
}
