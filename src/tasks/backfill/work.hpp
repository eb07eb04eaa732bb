#pragma once

#include "pgeist/fill/filler.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::backfill {

/// The phases in their order, as places in phases().
enum class step { prepare, fill, settle, done };

[[nodiscard]] std::vector<task::phase> phases();

/// A backfill at work. Every phase may be repeated.
class work final : public task::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> reach(pg::connection& session, job::tenure mine, const task::phase& next) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] awaitable<void> compare() override;
    [[nodiscard]] bool in_effect() const noexcept override { return false; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return false; }

private:
    const task::kind* kind_;
    task::context with_;
    fill::spec spec_;
    transfer::spec walked_;
    fill::workspace work_;
    fill::filler filler_;
};

}  // namespace pgeist::backfill
