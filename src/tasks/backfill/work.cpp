#include "work.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::backfill {

namespace {

/// `1,234 rows of public.t were set, 97% of them by HOT updates`.
std::string describe(const fill::spec& of, const fill::totals& found) {
    std::string text = fmt::format("{} rows of {} were {}", format_count(found.written), of.table.display(),
                                   of.removes() ? "deleted" : "set");
    if (!of.removes() && found.written > 0) {
        text += fmt::format(", {:.0f}% of them by HOT updates",
                            100.0 * static_cast<double>(found.hot) / static_cast<double>(found.written));
    }
    if (found.second > 0) {
        text += fmt::format("; {} of them in the second pass", format_count(found.second));
    }
    if (found.after > 0) {
        text += fmt::format("; {} that others have written since have another value", format_count(found.after));
    }
    return text;
}

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind),
      with_(with),
      spec_(fill::spec_from_json(*job.plan)),
      walked_(fill::walked_table(spec_)),
      work_{{with.pool, job.id, walked_, with.chosen, with.observer, with.progress, with.steering, job.incarnation,
             with.hold_pid, &with.known},
            spec_,
            with.steering},
      filler_(work_, "") {
    work_.progress.rows_total = spec_.estimated_rows;
}

awaitable<void> work::begin(const task::phase&) { co_return; }

awaitable<std::int64_t> work::done_before(const task::phase& next) {
    const auto place = static_cast<step>(&next - kind_->phases().data());
    std::int64_t rows = 0;
    if (next.told.in_chunks) {
        rows = co_await filler_.done_before(place == step::settle);
    }
    co_return rows;
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    const auto place = static_cast<step>(&now - kind_->phases().data());
    if (place == step::fill) {
        co_await filler_.fill();
    } else if (place == step::settle) {
        const fill::totals found = co_await filler_.settle();
        work_.observer.message(report::level::info, describe(spec_, found));
    }
    work_.observer.progressed(work_.progress);
    co_return &kind_->next(now);
}

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    if (kind_->is_done(next)) {
        co_await fill::reach_behind(session, mine, spec_, next.name);
    } else {
        co_await task::work::reach(session, mine, next);
    }
}

awaitable<void> work::watch(pg::connection&, const task::phase&) { co_return; }

awaitable<void> work::compare() {
    throw error(exit_code::refused, "a backfill looks at all rows itself, at its end");
    co_return;
}

}  // namespace pgeist::backfill
