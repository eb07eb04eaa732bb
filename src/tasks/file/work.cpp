#include "work.hpp"

#include "groups.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/tasks/native/engine.hpp"

namespace pgeist::file {

work::work(const task::kind& kind, const task::context& with)
    : kind_(&kind),
      with_(with),
      copies_(children::copies(), kind.phases().front()),
      groups_(groups(), kind.phases().front()),
      backfills_(children::backfills(), kind.phases().front()) {}

awaitable<void> work::begin(const task::phase&) { co_return; }

awaitable<std::int64_t> work::done_before(const task::phase&) { co_return 0; }

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    native::engine steps(with_);
    steps.add(steps::action_kind::copy, copies_);
    steps.add(steps::action_kind::group, groups_);
    steps.add(steps::action_kind::backfill, backfills_);
    co_await steps.run();
    co_return &kind_->next(now);
}

awaitable<void> work::watch(pg::connection&, const task::phase&) {
    co_await copies_.watch();
    co_await groups_.watch();
    co_await backfills_.watch();
}

awaitable<void> work::compare() {
    throw error(exit_code::refused, "a migration file has no two tables to compare",
                "compare one of its copies: pgeist verify with the copy's number");
    co_return;
}

}  // namespace pgeist::file
