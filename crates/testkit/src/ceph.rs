//! A Ceph with its S3 gateway for tests.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::keeper::{Keeper, free_port};

const ACCESS_KEY: &str = "artifact";
const SECRET_KEY: &str = "artifact-secret";

/// One node of the installed Ceph with an S3 gateway, on free ports of 127.0.0.1. What it stores
/// is in memory and its files are in a temporary folder. Everything is gone when it is dropped or
/// when this process ends, also if it lies in a static.
#[derive(Debug)]
pub struct Ceph {
    keeper: Mutex<Keeper>,
    gateway_port: u16,
}

impl Ceph {
    /// Starts a node, which takes about ten seconds and half a gibibyte of memory.
    ///
    /// # Panics
    /// Ceph is not installed (`just setup-engines` does it), or it does not start.
    pub fn start() -> Self {
        let gateway_port = free_port();
        let monitor_port = std::iter::repeat_with(free_port)
            .find(|port| *port != gateway_port)
            .unwrap_or_else(|| unreachable!("there is no end to the ports"));
        let variables = [
            ("gateway_port", gateway_port.to_string()),
            ("monitor_port", monitor_port.to_string()),
            ("access_key", ACCESS_KEY.to_owned()),
            ("secret_key", SECRET_KEY.to_owned()),
        ];
        let keeper = Keeper::start("ceph", include_str!("ceph.sh"), &variables);
        Self { keeper: Mutex::new(keeper), gateway_port }
    }

    /// Where the S3 gateway is: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    /// The name of the only user, who may make buckets.
    pub const fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The user's secret.
    pub const fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// Makes an empty bucket.
    ///
    /// # Panics
    /// The gateway refuses it, such as a name of less than 3 characters, or is stopped.
    pub fn make_bucket(&self, name: &str) {
        self.keeper().order(&format!("bucket {name}"));
    }

    /// Gives a bucket a rule that deletes objects after so many days.
    ///
    /// # Panics
    /// The gateway refuses it.
    pub fn expire_objects(&self, bucket: &str, days: u32) {
        self.keeper().order(&format!("expire {bucket} {days}"));
    }

    /// Has a bucket keep older versions of its objects from now on.
    ///
    /// # Panics
    /// The gateway refuses it.
    pub fn keep_versions(&self, bucket: &str) {
        self.keeper().order(&format!("versioned {bucket}"));
    }

    /// The keys in a bucket that begin with this, at most a thousand.
    ///
    /// # Panics
    /// The gateway does not answer.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let prefix = prefix.replace('/', "%2F");
        elements(&self.get(&format!("{bucket}?list-type=2&prefix={prefix}")), "Key")
    }

    /// The keys in a bucket of objects that were begun in parts and not completed.
    ///
    /// # Panics
    /// The gateway does not answer.
    pub fn unfinished(&self, bucket: &str) -> Vec<String> {
        elements(&self.get(&format!("{bucket}?uploads=")), "Key")
    }

    /// What is answered to a signed request.
    #[expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
    fn get(&self, target: &str) -> String {
        let answer = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3"])
            .args(["--user", &format!("{ACCESS_KEY}:{SECRET_KEY}")])
            // curl 7 does not sign what it does not send.
            .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
            .arg(format!("{}/{target}", self.endpoint()))
            .output()
            .expect("curl");
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "the gateway: {target}: {said}");
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    /// Kills the gateway; what is stored stays.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop_gateway(&self) {
        self.keeper().order("stop_gateway");
    }

    /// Starts the gateway again, on its port.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_gateway(&self) {
        self.keeper().order("start_gateway");
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The texts of the elements of this name in a document of S3.
fn elements(document: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let rest = document.split(&begin).skip(1);
    rest.filter_map(|rest| rest.split_once(&end)).map(|(text, _)| text.to_owned()).collect()
}
