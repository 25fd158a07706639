//! `retention` and `sweep`: what an operator decides over packages.

use artifact_domain::name::{Actor, ClassDescription, Mandate, Reason, RetentionClassName};
use artifact_domain::retention::MAX_PERIOD_DAYS;
use artifact_domain::wire::{ExtendRetention, PutRetentionClass};
use artifact_domain::{PackageId, Timestamp, id::HoldId};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Retention {
    #[command(subcommand)]
    pub(crate) command: RetentionCommand,

    /// Print JSON on stdout: one object on one line; `delete` prints one for each package
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// What a package is promised, and what every rule says to deleting it
    Show {
        /// The package
        #[arg(value_name = "ID")]
        package: PackageId,

        /// Decide for this time instead of now, such as 2030-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Keep a package for longer
    Extend {
        /// The package
        #[arg(value_name = "ID")]
        package: PackageId,

        #[command(flatten)]
        until: Later,

        #[command(flatten)]
        decision: Decision,
    },
    /// Put a package into another class
    Class {
        /// The package
        #[arg(value_name = "ID")]
        package: PackageId,

        /// The class, in the version that is for packages to come
        #[arg(value_name = "CLASS")]
        class: RetentionClassName,

        #[command(flatten)]
        decision: Decision,
    },
    /// Hold a package: nothing deletes it until the hold is released
    Hold {
        /// The package
        #[arg(value_name = "ID")]
        package: PackageId,

        /// Who demands it: a case number, a contract, an order
        #[arg(long, value_name = "TEXT")]
        mandate: Option<Mandate>,

        #[command(flatten)]
        decision: Decision,
    },
    /// Release a hold
    Release {
        /// The package
        #[arg(value_name = "ID")]
        package: PackageId,

        /// The hold, as `retention show` names it
        #[arg(value_name = "HOLD")]
        hold: HoldId,

        #[command(flatten)]
        decision: Decision,
    },
    /// List what may be deleted now, oldest expiry first
    Candidates {
        /// Most packages to list [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Delete packages that nothing protects, each by a decision of its own
    Delete {
        /// The packages
        #[arg(value_name = "ID", required = true)]
        packages: Vec<PackageId>,

        /// Say what would happen and delete nothing
        #[arg(long)]
        dry_run: bool,

        #[command(flatten)]
        decision: Decision,
    },
    /// List the classes, or put one
    Classes {
        #[command(subcommand)]
        command: Option<ClassesCommand>,
    },
    /// Say that the clock is right as it is now, so that deletion is allowed again
    AcknowledgeClock {
        #[command(flatten)]
        decision: Decision,
    },
}

/// Until when a package is to be kept: one of the three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Later {
    /// Until this time, such as 2030-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,

    /// So many days beyond its present expiry
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    days: Option<u64>,

    /// For ever
    #[arg(long)]
    permanent: bool,
}

impl Later {
    /// The request that says so.
    pub(crate) fn because(self, reason: Reason) -> ExtendRetention {
        let Self { until, days, permanent } = self;
        ExtendRetention { expires_at: until, days, permanent: permanent.then_some(true), reason }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClassesCommand {
    /// Add a class, or change one for packages to come
    Put {
        /// The class
        #[arg(value_name = "CLASS")]
        class: RetentionClassName,

        #[command(flatten)]
        period: Period,

        /// What it is for [default: as it is]
        #[arg(long, value_name = "TEXT")]
        description: Option<ClassDescription>,

        #[command(flatten)]
        who: Who,
    },
}

/// How long a class keeps: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Period {
    /// So many days of 24 hours
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_PERIOD_DAYS)))]
    days: Option<u32>,

    /// Its packages never expire
    #[arg(long)]
    never: bool,
}

impl Period {
    /// The request that says so.
    pub(crate) fn described(self, description: Option<ClassDescription>) -> PutRetentionClass {
        // Without days it is never: clap wants one of the two.
        PutRetentionClass { period_days: self.days, description }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// Do it instead of saying what is to be done
    #[arg(long)]
    pub(crate) apply: bool,

    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) who: Who,
}

/// Why something is done and by whom.
#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,

    #[command(flatten)]
    pub(crate) who: Who,
}

/// By whom something is done.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who does it, for the record
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub(crate) actor: Actor,
}
