#pragma once

#include "pgeist/tasks/rehearse/rehearsal.hpp"
#include "pgeist/tasks/rewrite/work.hpp"

namespace pgeist::rehearse {

/// A rewrite at work that comes to no swap: what it takes is measured, and all of it is taken back.
class work final : public rewrite::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);

    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> reach(pg::connection& session, job::tenure mine, const task::phase& next) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;

protected:
    [[nodiscard]] awaitable<void> swap() override;
    [[nodiscard]] awaitable<void> finish() override;

private:
    const task::kind* kind_;
    qualified_name table_;
    std::int64_t table_oid_;
    std::string change_;
    rehearsal found_;
};

}  // namespace pgeist::rehearse
