//! Whether a package may go into another class.

use artifact_domain::name::RetentionClassName;
use artifact_domain::retention::RetentionRule;
use artifact_domain::{Package, Timestamp};

use crate::expiry::expiry_from;

/// A class that would keep the package for a shorter time than it was promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "retention class {class}, version {version}, would keep it until {given}, but it is kept {} \
     already: leave it in its class, or extend it",
    promised(*.present)
)]
pub struct ClassRefusal {
    /// The class that was asked for.
    pub class: RetentionClassName,
    /// The version of it.
    pub version: u32,
    /// Until when the package is kept at present; `None` is for ever.
    pub present: Option<Timestamp>,
    /// Until when the class would keep it.
    pub given: Timestamp,
}

fn promised(expires_at: Option<Timestamp>) -> String {
    expires_at.map_or_else(|| "for ever".to_owned(), |at| format!("until {at}"))
}

/// The expiry of `package` in the class of `rule`: what the class gives from when the package was
/// finalized, or from its creation while it is not. `None` is for ever. It is refused if that is
/// earlier than the present expiry; equal is allowed, since a class can be changed for its name.
pub fn change_class(
    package: &Package,
    rule: &RetentionRule,
) -> Result<Option<Timestamp>, ClassRefusal> {
    let start = package.finalized_at.unwrap_or(package.created_at);
    match expiry_from(rule.period, start) {
        Some(given) if package.expires_at.is_none_or(|present| given < present) => {
            Err(ClassRefusal {
                class: rule.class.clone(),
                version: rule.version,
                present: package.expires_at,
                given,
            })
        }
        given => Ok(given),
    }
}
