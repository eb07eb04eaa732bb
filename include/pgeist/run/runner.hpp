#pragma once

#include <memory>
#include <optional>

#include "pgeist/build/workspace.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/run/event_recorder.hpp"
#include "pgeist/run/heartbeat.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::run {

/// Takes a prepared job through its phases, from the one it has reached to the end. Only sequences: what a phase does
/// is its module's business. Every phase may be repeated, so that a job can be resumed at the phase it was in.
class runner {
public:
    /// All references outlive the runner. `job` must have a blueprint.
    /// `known` is kept up to date with how far the server's WAL has come.
    runner(pg::pool& pool, pg::connect_options options, job::advisory_locks& hold, const job::record& job,
           job::identity& known, report::observer& observer);

    /// @throws error; the job is then resumable unless the message says otherwise
    [[nodiscard]] awaitable<void> run();
    /// Only compares both tables, all rows of them; the job must have come to its verification and not have swapped.
    /// @throws error (verification_failed) when they differ
    [[nodiscard]] awaitable<void> compare();

    /// `pgeist cancel` asked for the end: the job is to be removed.
    [[nodiscard]] bool cancel_requested() const noexcept { return switches_.cancel_requested(); }

    /// The swap is committed: made by this very runner, or before.
    [[nodiscard]] bool has_swapped() const noexcept { return has_swapped_ || reached_ >= job::phase::finish; }

    /// The swap was made by this very runner, and told.
    [[nodiscard]] bool has_told_swap() const noexcept { return told_swap_; }

    /// The settings, as `pgeist set` has left them.
    [[nodiscard]] const settings& chosen() const noexcept { return settings_; }

    /// The phase the run is in, or the last one.
    [[nodiscard]] job::phase reached() const noexcept { return reached_; }

private:
    [[nodiscard]] awaitable<void> beside_the_heartbeat(awaitable<void> work);
    [[nodiscard]] awaitable<void> phases();
    [[nodiscard]] awaitable<void> compare_again();
    [[nodiscard]] awaitable<void> wait_to_build();
    [[nodiscard]] awaitable<void> ask_permission();
    [[nodiscard]] awaitable<void> count_done_before(job::phase now);
    [[nodiscard]] awaitable<void> enter(job::phase now);
    [[nodiscard]] awaitable<void> do_phase(job::phase now);
    [[nodiscard]] awaitable<void> require_unchanged();
    [[nodiscard]] awaitable<void> save_phase(job::phase next);
    [[nodiscard]] awaitable<void> capture();
    [[nodiscard]] awaitable<void> build_key();
    [[nodiscard]] awaitable<void> build();
    [[nodiscard]] awaitable<void> verify(verify_mode how);
    [[nodiscard]] awaitable<void> compare_rows(verify_mode how);
    [[nodiscard]] awaitable<void> replay_until(const bool& stop);
    [[nodiscard]] awaitable<void> swap();
    [[nodiscard]] awaitable<void> tell_swap(report::swap_outcome done);
    [[nodiscard]] awaitable<std::optional<report::swap_outcome>> try_to_swap();
    [[nodiscard]] awaitable<void> wait_for_permission_to_swap();
    [[nodiscard]] awaitable<void> after_rewriting();
    [[nodiscard]] awaitable<void> start_copy_again();

    pg::connect_options options_;
    job::advisory_locks* hold_;
    job::identity* known_;
    job::phase reached_;
    plan::blueprint plan_;
    transfer::spec transfer_;
    settings settings_;  ///< the job's own, changed by `pgeist set`
    switchboard switches_;
    report::progress progress_;
    event_recorder told_;
    build::workspace work_;
    replay::replayer changes_;
    bool indexes_are_new_ = false;  ///< the source was rewritten since this process has begun to verify
    int rewritten_in_copy_ = 0;
    bool has_swapped_ = false;
    bool told_swap_ = false;
};

}  // namespace pgeist::run
