#include "work.hpp"

#include "pgeist/build/index_builder.hpp"
#include "pgeist/swap/prediction.hpp"
#include "pgeist/tasks/rewrite/undo.hpp"

namespace pgeist::rehearse {

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : rewrite::work(kind, with, job),
      kind_(&kind),
      table_(job.table),
      table_oid_(workspace().plan.source_oid),
      change_(kind.describe(job.change)),
      found_(with) {}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    co_await found_.phase_begins(now.told.name);
    const task::phase* next = co_await rewrite::work::carry_out(now);
    co_await found_.phase_ends(now.told.name, kind_->own_schemas(workspace().job));
    if (now.name == "copy") {
        found_.copied(workspace().progress.rows_done);
    }
    if (now.name == "take_back") {
        const plan::blueprint& plan = workspace().plan;
        const report::table_size here{plan.estimated_rows, plan.table_bytes, plan.index_bytes};
        co_await found_.tell(table_.display(), change_, here, workspace().job);
    }
    co_return next;
}

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    return task::work::reach(session, mine, next);  // no way back is kept, whatever was planned for one
}

awaitable<void> work::watch(pg::connection& session, const task::phase& now) {
    const bool over = now.name == "take_back" || kind_->is_done(now);
    if (over) {
        co_return;  // the triggers may be off already
    }
    co_await rewrite::work::watch(session, now);
    if (now.name == "copy") {
        found_.note(workspace().job, workspace().progress);
    }
    if (now.name != "prepare" && now.name != "capture") {
        const lock::target wanted = swap::locked_by_swap(workspace().plan);
        co_await found_.look(session, wanted, workspace().job, kind_->own_schemas(workspace().job));
    }
}

awaitable<void> work::swap() {
    co_await build::build_ahead(workspace());
    std::vector<swap::exchanged> all;
    all.push_back({&workspace(), &changes()});
    std::function<awaitable<void>()> pass = [this] { return replay_pass(); };
    co_await found_.rehearse_swap(std::move(all), std::move(pass));
}

awaitable<void> work::finish() {
    workspace().progress.detail = "taking everything back";
    co_await rewrite::take_back(with(), workspace().tenure(), table_, table_oid_);
}

}  // namespace pgeist::rehearse
