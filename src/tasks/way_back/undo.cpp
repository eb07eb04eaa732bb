#include "pgeist/tasks/way_back/undo.hpp"

#include <fmt/format.h>

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/undo.hpp"
#include "pgeist/tasks/way_back/facts.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::way_back {

namespace {

// The tables outside of the job's own schemas that it logs, and the schemas of what logs them.
constexpr const char* logged_sql = R"(
    SELECT DISTINCT n.nspname, c.relname, f.nspname AS logs_into
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace f ON f.oid = p.pronamespace
      JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT t.tgisinternal AND f.nspname = ANY ($1::text[]) AND n.nspname <> ALL ($2::text[]) ORDER BY 1, 2, 3)";

/// From the commit on nothing is logged, and the job's row says so: whatever becomes of the rest, nobody reverts then
/// with what was written since missing.
awaitable<void> close_way_back(pg::connection& session, job::tenure mine, const std::string& switch_off_sql) {
    co_await job::save_revert(session, mine, closed_by_cleanup());
    co_await session.execute(switch_off_sql);
}

}  // namespace

awaitable<void> end_way_back(task::undo_context& at) {
    const std::int64_t job = at.mine.job;
    const std::vector<std::string> logs{rewrite::back_schema(job), rewrite::again_schema(job)};
    const std::vector<std::string> own{rewrite::job_schema(job), rewrite::passage_schema(job),
                                       rewrite::back_schema(job), rewrite::again_schema(job)};
    const pg::result logged = co_await at.session.query(logged_sql, pg::array_literal(logs), pg::array_literal(own));
    std::string off;
    for (int row = 0; row < logged.rows(); ++row) {
        transfer::spec names;
        names.schema = logged.text(row, "logs_into");
        names.mode = transfer::replay_mode::keep;  // all functions that there may be
        off += capture::switch_off_sql(names);
    }
    const auto closing = [&] { return close_way_back(at.session, at.mine, off); };
    co_await job::in_tenure(at.session, at.mine, pg::isolation::read_committed, closing);
    for (int row = 0; row < logged.rows(); ++row) {
        const qualified_name table{logged.text(row, "nspname"), logged.text(row, "relname")};
        transfer::spec names;
        names.schema = logged.text(row, "logs_into");
        co_await rewrite::run_locked(at, table, capture::drop_triggers_sql(names, table));
    }
    co_await rewrite::drop_own(at);
}

}  // namespace pgeist::way_back
