#pragma once

#include "pgeist/core/deadline.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/reindex/plan.hpp"

namespace pgeist::server_repack {

/// The statement at work.
class work final : public task::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] awaitable<void> compare() override;
    [[nodiscard]] bool in_effect() const noexcept override { return false; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return false; }

private:
    /// Whose snapshot, or whose writes, the statement would meet: waits for them to end.
    [[nodiscard]] awaitable<void> wait_for_others();
    /// @returns false when somebody is there who was not told to go yet
    [[nodiscard]] awaitable<bool> is_free(pg::connection& session);
    /// Runs it once. @returns what was in the way; nothing when it is done
    [[nodiscard]] awaitable<std::optional<std::string>> attempt();
    [[nodiscard]] awaitable<void> run_statement(pg::connection& session);
    [[nodiscard]] awaitable<void> keep_watch(int pid);
    [[nodiscard]] awaitable<void> look(pg::connection& session, int pid);
    [[nodiscard]] awaitable<bool> is_done_already();
    [[nodiscard]] awaitable<void> note_begun();
    [[nodiscard]] awaitable<void> note_done();
    void tell(const char* state) const;

    const task::kind* kind_;
    task::context with_;
    job::tenure mine_;
    reindex::plan plan_;
    lock::blocker_removal removal_;
    report::lock_wait_filter filter_;
    deadline::clock::time_point began_waiting_;
    std::optional<deadline::clock::time_point> asked_for_lock_;  ///< since when its last lock is waited for
    std::string in_the_way_;
};

}  // namespace pgeist::server_repack
