//! How the system shares the cores among the threads of a server.

/// Has this thread, and every thread that it starts from now on, interrupt nobody when it is woken:
/// it waits until a core is free, or until the thread that has it has used up its time, which is a
/// few milliseconds.
///
/// The threads of a server wake each other all the time. By itself the system takes the core from
/// the one that asked and mostly has more to ask, gives it to the one that was asked, and takes it
/// back for the answer, for each file; see ADR 0011.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, get_scheduler, set_scheduler};

    let this = Pid::current_thread();
    // Whoever started the server with another policy means it.
    if !get_scheduler(this).is_ok_and(|policy| policy == Scheduler::SCHED_NORMAL) {
        return;
    }
    let batch = set_scheduler(this, Scheduler::SCHED_BATCH, SchedulerParams { priority: 0 });
    if let Err(error) = batch {
        tracing::debug!("the threads keep their scheduling policy: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn give_way() {}
