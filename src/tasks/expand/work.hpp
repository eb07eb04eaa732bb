#pragma once

#include <optional>

#include "pgeist/fill/filler.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// The phases in their order, as places in phases().
enum class step { prepare, add, fill, settle, index, require, expanded };

[[nodiscard]] std::vector<task::phase> phases();

/// An expansion at work. Every phase may be repeated.
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
    [[nodiscard]] job::tenure tenure() const noexcept { return mine_; }
    [[nodiscard]] awaitable<void> do_phase(step now);
    [[nodiscard]] awaitable<void> add();
    [[nodiscard]] awaitable<void> make_deferrable();  // deferrable.cpp
    [[nodiscard]] awaitable<void> plan_fill();
    [[nodiscard]] awaitable<void> fill(bool second);

    // require.cpp
    [[nodiscard]] awaitable<void> build_indexes();
    [[nodiscard]] awaitable<void> make_statistics();
    [[nodiscard]] awaitable<void> require();
    [[nodiscard]] awaitable<void> validate(std::string label, std::string constraint);
    [[nodiscard]] awaitable<void> politely(std::string label, std::string sql);

    const task::kind* kind_;
    task::context with_;
    job::tenure mine_;
    spec plan_;
};

}  // namespace pgeist::expand
