#pragma once

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/reindex/plan.hpp"
#include "pgeist/watch/build_figures.hpp"

namespace pgeist::reindex {

/// Indexes rebuilt one by one: each is a step.
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
    /// What an index takes in files, by its name, for it gets another OID.
    struct measured {
        std::int64_t oid = 0;  ///< 0: it is gone
        std::int64_t bytes = 0;
        bool is_btree = false;
    };
    struct sizes {
        std::int64_t before = 0;
        std::int64_t after = 0;
    };
    [[nodiscard]] static awaitable<measured> measure(pg::connection& session, qualified_name index,
                                                     qualified_name table);
    [[nodiscard]] awaitable<void> rebuild(concurrently::workspace& place, const steps::stored_step& now, int of);
    [[nodiscard]] awaitable<void> check(pg::connection& session, qualified_name index, measured now);
    [[nodiscard]] awaitable<void> save(const steps::stored_step& now, steps::state reached, std::string message);
    void tell(const steps::stored_step& now, int of, steps::state reached, std::optional<sizes> files);

    const task::kind* kind_;
    task::context with_;
    job::tenure mine_;
    plan plan_;
    watch::pace pace_;
    std::int64_t bytes_before_ = 0;
    std::int64_t bytes_after_ = 0;
    int rebuilt_ = 0;
};

}  // namespace pgeist::reindex
