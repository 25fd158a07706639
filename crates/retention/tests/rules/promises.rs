//! Whatever is done to a package, and in whatever order: it never may go before the latest date
//! that it was ever promised, nor while it is held.
//!
//! The world below keeps its own account of what was promised. It takes nothing from the rules
//! but whether they agreed, so that a rule that forgets a promise is found out.

use artifact_domain::retention::{Extension, Hold, RetentionPeriod, RetentionRule};
use artifact_domain::{Package, PackageStatus, Timestamp};
use artifact_retention::{
    change_class, decide, expiry_at_create, expiry_at_finalize, extend, is_eligible,
};
use proptest::prelude::*;

use crate::facts::{LAST_INSTANT, at, day, hold, next, package, released, rule};

const CLASSES: [&str; 3] = ["short", "long", "other"];

#[derive(Debug, Clone)]
enum Step {
    Upload,
    Finalize,
    Fail,
    ExtendUntil { days_from_now: u32 },
    ExtendBy { days: u64 },
    ExtendForEver,
    ChangeClass { class: usize },
    PlaceHold,
    ReleaseHold { which: prop::sample::Index },
    AdminChanges { class: usize, period: RetentionPeriod },
    TimePasses { days: u32 },
    Delete,
}

fn periods() -> impl Strategy<Value = RetentionPeriod> {
    prop_oneof![
        30 => (0u32..12).prop_map(RetentionPeriod::Days),
        1 => Just(RetentionPeriod::Permanent),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let class = 0..CLASSES.len();
    prop_oneof![
        6 => Just(Step::Upload),
        9 => Just(Step::Finalize),
        3 => Just(Step::Fail),
        12 => (0u32..15).prop_map(|days_from_now| Step::ExtendUntil { days_from_now }),
        9 => (0u64..6).prop_map(|days| Step::ExtendBy { days }),
        // Seldom: after it there is little left that could go wrong.
        1 => Just(Step::ExtendForEver),
        12 => class.clone().prop_map(|class| Step::ChangeClass { class }),
        6 => Just(Step::PlaceHold),
        9 => any::<prop::sample::Index>().prop_map(|which| Step::ReleaseHold { which }),
        9 => (class, periods()).prop_map(|(class, period)| Step::AdminChanges { class, period }),
        15 => (0u32..6).prop_map(|days| Step::TimePasses { days }),
        6 => Just(Step::Delete),
    ]
}

#[derive(Debug)]
struct World {
    now: Timestamp,
    /// Every version of every class, the newest last.
    rules: Vec<Vec<RetentionRule>>,
    package: Package,
    holds: Vec<Hold>,
    /// The latest date that was ever promised; `None` is for ever.
    promised: Option<Timestamp>,
}

impl World {
    fn new(created: RetentionPeriod, others: RetentionPeriod) -> Self {
        let now = day(0);
        let rules = CLASSES
            .iter()
            .zip([created, others, others])
            .map(|(class, period)| vec![rule(class, 1, period)])
            .collect();
        let mut package = package(PackageStatus::Created, expiry_at_create(created, now));
        package.description.retention_class = CLASSES[0].parse().unwrap();
        Self { now, rules, package, holds: Vec::new(), promised: end(created, now) }
    }

    fn promise(&mut self, until: Option<Timestamp>) {
        self.promised = match (self.promised, until) {
            (Some(before), Some(until)) => Some(before.max(until)),
            (None, _) | (_, None) => None,
        };
    }

    fn take(&mut self, step: &Step) {
        // What the use cases see to before they ask a rule.
        if self.package.status == PackageStatus::Deleted {
            return;
        }
        match *step {
            Step::Upload => self.move_to(PackageStatus::Uploading),
            Step::Fail => self.move_to(PackageStatus::Failed),
            Step::Finalize => self.finalize(),
            Step::ExtendUntil { days_from_now } => {
                let until = self.now.plus_days(days_from_now);
                self.extend(Extension::Until(until), Some(until));
            }
            Step::ExtendBy { days } => {
                let until = self.promised.and_then(|promised| promised.checked_plus_days(days));
                self.extend(Extension::Days(days), until);
            }
            Step::ExtendForEver => self.extend(Extension::Permanent, None),
            Step::ChangeClass { class } => self.change_class(class),
            Step::PlaceHold => self.holds.push(hold("audit", None)),
            Step::ReleaseHold { which } => {
                if !self.holds.is_empty() {
                    let hold = which.get_mut(&mut self.holds);
                    *hold = released(hold.clone());
                }
            }
            Step::AdminChanges { class, period } => {
                let versions = &mut self.rules[class];
                let version = u32::try_from(versions.len()).unwrap() + 1;
                versions.push(rule(CLASSES[class], version, period));
            }
            Step::TimePasses { days } => self.now = self.now.plus_days(days),
            Step::Delete => {
                if decide(&self.package, &self.holds, self.now).eligible {
                    self.package.status = PackageStatus::Deleted;
                    self.package.deleted_at = Some(self.now);
                }
            }
        }
        self.package.on_hold = self.holds.iter().any(Hold::is_active);
    }

    fn move_to(&mut self, status: PackageStatus) {
        if self.package.status.may_become(status) {
            self.package.status = status;
        }
    }

    fn finalize(&mut self) {
        if self.package.status.may_become(PackageStatus::Finalized) {
            let class = self.package.description.retention_class.as_str();
            let class = CLASSES.iter().position(|name| *name == class).unwrap();
            let version = usize::try_from(self.package.rule_version).unwrap();
            let period = self.rules[class][version - 1].period;
            self.package.expires_at = expiry_at_finalize(self.package.expires_at, period, self.now);
            self.package.finalized_at = Some(self.now);
            self.package.status = PackageStatus::Finalized;
            self.promise(end(period, self.now));
        }
    }

    fn extend(&mut self, asked: Extension, until: Option<Timestamp>) {
        if let Ok(expires_at) = extend(self.package.expires_at, asked, self.now) {
            self.package.expires_at = expires_at;
            self.promise(until);
        }
    }

    fn change_class(&mut self, class: usize) {
        let rule = self.rules[class].last().unwrap();
        if let Ok(expires_at) = change_class(&self.package, rule) {
            let start = self.package.finalized_at.unwrap_or(self.package.created_at);
            let promised = end(rule.period, start);
            self.package.expires_at = expires_at;
            self.package.description.retention_class = rule.class.clone();
            self.package.rule_version = rule.version;
            self.promise(promised);
        }
    }

    /// Asks the rules, at many times, whether the package may go.
    fn judge(&self) -> Result<(), TestCaseError> {
        let eligible = |now| decide(&self.package, &self.holds, now).eligible;
        let end_of_time = at(LAST_INSTANT);
        if let Some(promised) = self.promised {
            for now in (0..120).map(day).take_while(|now| *now <= promised).chain([promised]) {
                prop_assert!(!eligible(now), "it may go at {now}, promised was {promised}");
            }
            // And it is kept no longer than was promised: rules that refuse everything, or that
            // keep everything, are no rules.
            let may_go =
                matches!(self.package.status, PackageStatus::Finalized | PackageStatus::Failed)
                    && !self.holds.iter().any(Hold::is_active);
            prop_assert_eq!(eligible(next(promised)), may_go);
        } else {
            prop_assert!(!eligible(end_of_time), "it may go, and was promised to be kept for ever");
        }
        if self.holds.iter().any(Hold::is_active) {
            prop_assert!(!eligible(end_of_time), "it may go while it is held");
        }
        prop_assert_eq!(self.package.expires_at, self.promised);
        prop_assert_eq!(is_eligible(&self.package, self.now), eligible(self.now));
        if let Some(deleted_at) = self.package.deleted_at {
            prop_assert!(self.promised.is_some_and(|promised| deleted_at > promised));
            prop_assert!(!self.holds.iter().any(Hold::is_active));
        }
        Ok(())
    }
}

/// What a class promises, said once more and not taken from the rules.
fn end(period: RetentionPeriod, start: Timestamp) -> Option<Timestamp> {
    match period {
        RetentionPeriod::Days(days) => start.checked_plus_days(days.into()),
        RetentionPeriod::Permanent => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_package_never_may_go_before_the_latest_date_it_was_promised(
        created in periods(),
        others in periods(),
        steps in prop::collection::vec(steps(), 0..30),
    ) {
        let mut world = World::new(created, others);
        world.judge()?;
        for step in &steps {
            world.take(step);
            world.judge()?;
        }
    }
}
