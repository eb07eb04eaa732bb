#pragma once

#include <exception>
#include <optional>

#include "pgeist/build/workspace.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "pgeist/tasks/rewrite/source_watch.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::rewrite {

/// A rewrite at work: what its phases do, in the modules' words. Every phase may be repeated.
class work : public task::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> reach(pg::connection& session, job::tenure mine, const task::phase& next) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] std::vector<double> expected_seconds() const override;
    [[nodiscard]] awaitable<void> compare() override;
    [[nodiscard]] bool in_effect() const noexcept override { return has_swapped_; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return told_swap_; }

protected:
    /// Phase swap. What takes its place in a rehearsal does everything but the commit.
    [[nodiscard]] virtual awaitable<void> swap();
    /// Phase finish.
    [[nodiscard]] virtual awaitable<void> finish();

    // Of the swap, for one of several tables at once (swap.cpp).
    /// A pass of replay while something is waited for.
    [[nodiscard]] virtual awaitable<void> replay_pass();
    /// `pgeist verify` asked for it: all rows, from the swap's phase and back to it.
    [[nodiscard]] virtual awaitable<void> compare_as_asked();
    /// Nothing when the user wants something else first: then nothing is left that others could run into.
    [[nodiscard]] virtual awaitable<std::optional<report::swap_outcome>> try_to_swap();
    [[nodiscard]] virtual awaitable<void> tell_swap(report::swap_outcome done);
    /// Nothing was swapped, since a table was truncated or rewritten: the phase in which this one goes on, which is
    /// phase swap when it was another.
    [[nodiscard]] awaitable<const task::phase*> look_again();
    /// A pass of replay once all is ready. @returns phase swap; or the one in which it goes on after a truncation
    [[nodiscard]] awaitable<const task::phase*> keep_up();
    /// Whether somebody who has changed the table may be why `failure` came: then require_unchanged() says who. Asked
    /// before anything is awaited, since a cancellation must not take the failure's place.
    [[nodiscard]] bool may_blame_others(const std::exception_ptr& failure) const;
    [[nodiscard]] awaitable<void> require_unchanged();
    void has_been_swapped() noexcept { has_swapped_ = true; }
    /// The table that is replaced is to be kept in step.
    [[nodiscard]] bool is_revertible() const noexcept { return back_.has_value(); }
    /// Of a table that can be reverted, before anything else is done after its swap: see rewrite::note_in_use().
    [[nodiscard]] awaitable<void> note_in_use();

    [[nodiscard]] const task::phase& at(step which) const;
    [[nodiscard]] task::context& with() noexcept { return with_; }
    [[nodiscard]] build::workspace& workspace() noexcept { return work_; }
    [[nodiscard]] replay::replayer& changes() noexcept { return changes_; }

private:
    [[nodiscard]] awaitable<void> do_phase(step now);
    [[nodiscard]] awaitable<void> save_phase(step next);
    [[nodiscard]] awaitable<step> after_rewriting(step now);
    [[nodiscard]] awaitable<void> start_copy_again();
    [[nodiscard]] awaitable<void> tell_and_copy_again();
    [[nodiscard]] awaitable<void> replay_one_table();

    // capture.cpp
    [[nodiscard]] awaitable<void> capture();

    // indexes.cpp
    [[nodiscard]] awaitable<void> build_key();
    [[nodiscard]] awaitable<void> build();
    [[nodiscard]] awaitable<void> wait_to_build();

    // comparison.cpp
    [[nodiscard]] awaitable<void> verify(run::verify_mode how);
    [[nodiscard]] awaitable<void> compare_rows(run::verify_mode how, job::comparison& found);
    [[nodiscard]] awaitable<void> replay_until(const bool& stop);
    [[nodiscard]] awaitable<void> compare_again(step reached);

    // swap.cpp
    [[nodiscard]] awaitable<void> wait_for_permission();
    [[nodiscard]] awaitable<void> ask_hooks();
    [[nodiscard]] awaitable<std::optional<report::row_order>> order_reached();

    const task::kind* kind_;
    task::context with_;
    step reached_;  ///< when this object was made: what compare() goes back to
    plan::blueprint plan_;
    std::optional<plan::revert_plan> back_;
    transfer::spec transfer_;
    build::workspace work_;
    replay::replayer changes_;
    source_watch watch_;
    bool indexes_are_new_ = false;  ///< the source was rewritten since this process has begun to verify
    int rewritten_in_copy_ = 0;
    bool has_swapped_ = false;
    bool told_swap_ = false;
};

}  // namespace pgeist::rewrite
