#pragma once

#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/children/children.hpp"

namespace pgeist::file {

/// A file's job at work.
class work final : public task::work {
public:
    work(const task::kind& kind, const task::context& with);

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] awaitable<void> compare() override;
    [[nodiscard]] bool in_effect() const noexcept override { return false; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return false; }

private:
    const task::kind* kind_;
    task::context with_;
    children::executor copies_;
    children::executor groups_;
    children::executor backfills_;
};

}  // namespace pgeist::file
