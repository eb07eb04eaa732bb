#include "meaning.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::build {

namespace {

/// How long CREATE INDEX CONCURRENTLY may wait for a lock, twice as long with each try: at first only the one that it
/// is to wait for in vain is in its way. An autovacuum of the shadow, which keeps it from beginning, is ended by the
/// server after deadlock_timeout, a second mostly.
constexpr auto first_wait = std::chrono::milliseconds(50);
constexpr int most_drafts = 8;

qualified_name name_of(const plan::blueprint& plan, const plan::index& index) { return {plan.job_schema, index.name}; }

catalog::used_operators wanted_by(const plan::index& index) {
    catalog::used_operators wanted;
    wanted.oids = index.meaning.uses;
    return wanted;
}

constexpr const char* go_on = "go on with: pgeist resume JOB";

awaitable<void> require_uses(pg::connection& session, const plan::index& index, std::string tree) {
    const auto found = co_await catalog::read_operators(session, std::move(tree));
    auto others = catalog::other_operators(wanted_by(index), found);
    if (others.empty()) {
        co_return;
    }
    const std::string names = co_await catalog::operator_names(session, std::move(others));
    throw error(exit_code::failed,
                fmt::format("index {} would not mean what it means: read again from its text it uses {}",
                            display_identifier(index.name), names),
                fmt::format("it was made since the plan; drop it or move it to another schema, then {}", go_on));
}

/// Whether the server has the index now, not built.
awaitable<bool> draft_once(workspace& work, pg::connection& writer, pg::connection& maker, const plan::index& index,
                           std::chrono::milliseconds wait) {
    co_await writer.execute(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", work.plan.shadow().sql()));
    co_await require_text(writer, work.plan, index);
    co_await maker.execute(fmt::format("SET array_nulls TO on; SET lock_timeout TO {}; SET search_path TO {}",
                                       wait.count(), index.meaning.search_path));
    std::optional<pg::sql_error> failed;
    try {
        co_await maker.execute(index.meaning.draft_sql);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && (failed->poisons_connection() || !failed->is(pg::sqlstate::lock_not_available))) {
        throw *failed;
    }
    co_await maker.execute("SET search_path TO pg_catalog");
    const index_state now = co_await state_of(maker, work.plan, index);
    co_return now != index_state::absent;
}

awaitable<void> keep_answer(workspace& work, pg::connection& writer, pg::connection& maker, const plan::index& index,
                            std::chrono::milliseconds wait, bool& made) {
    made = co_await draft_once(work, writer, maker, index, wait);
}

/// One that means something else is dropped: nobody is to build it, or to use it.
awaitable<void> require_meaning(pg::connection& session, const plan::blueprint& plan, const plan::index& index) {
    std::optional<error> wrong;
    try {
        co_await require_tree(session, plan, index);
    } catch (const pg::sql_error&) {
        throw;
    } catch (const error& found) {
        wrong = found;
    }
    if (wrong) {
        co_await session.execute("DROP INDEX " + name_of(plan, index).sql());
        throw *wrong;
    }
}

awaitable<void> make_draft(workspace& work, const plan::index& index) {
    const auto writer = co_await work.pool.acquire();
    const auto maker = co_await work.pool.acquire();
    bool made = false;
    auto wait = first_wait;
    for (int tries = 0; tries < most_drafts && !made; ++tries) {
        const auto once = [&] { return keep_answer(work, *writer, *maker, index, wait, made); };
        co_await pg::rolled_back(*writer, once);
        wait *= 2;
    }
    if (!made) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("index {} cannot be begun: somebody holds a lock on {}", display_identifier(index.name),
                                work.plan.shadow().display()),
                    fmt::format("see who does in pg_locks, then {}", go_on));
    }
    co_await require_meaning(*maker, work.plan, index);
}

/// What there is of the index. A draft of an earlier run's may have been left before it was looked at, and the server
/// may even have built it: once a killed run's lock on the shadow is gone, nothing keeps the statement that it has
/// sent.
awaitable<index_state> left_behind(workspace& work, const plan::index& index) {
    const auto session = co_await work.pool.acquire();
    const index_state state = co_await state_of(*session, work.plan, index);
    if (state != index_state::absent) {
        co_await require_meaning(*session, work.plan, index);
    }
    co_return state;
}

}  // namespace

bool is_open(const plan::index& index) { return !index.meaning.uses.empty(); }

awaitable<index_state> state_of(pg::connection& session, const plan::blueprint& plan, const plan::index& index) {
    const pg::result row = co_await session.query(
        "SELECT coalesce((SELECT CASE WHEN indisvalid THEN 'built' ELSE 'draft' END FROM pg_index WHERE indexrelid = "
        "to_regclass($1)), 'absent')",
        name_of(plan, index).sql());
    const std::string state = row.text(0, 0);
    index_state found = index_state::absent;
    if (state == "built") {
        found = index_state::built;
    } else if (state == "draft") {
        found = index_state::draft;
    }
    co_return found;
}

awaitable<void> require_text(pg::connection& session, const plan::blueprint& plan, const plan::index& index) {
    if (index.meaning.condition.empty()) {
        co_return;
    }
    const qualified_name probe{plan.passage_schema, "pgeist_probe"};
    std::optional<pg::sql_error> failed;
    try {
        co_await session.execute(fmt::format("SET LOCAL search_path TO {}; {}; SET LOCAL search_path TO pg_catalog",
                                             index.meaning.search_path,
                                             plan::probe_sql(probe, plan.shadow(), index.meaning)));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && !failed->in_class("42")) {
        throw *failed;
    }
    if (failed) {
        throw error(exit_code::failed,
                    fmt::format("index {} cannot be read again from its text: {}", display_identifier(index.name),
                                failed->what()),
                    fmt::format("drop or move what was made since the plan, then {}", go_on));
    }
    co_await require_uses(session, index, catalog::trees::of_view(probe));
    co_await session.execute("DROP VIEW " + probe.sql());
}

awaitable<void> require_tree(pg::connection& session, const plan::blueprint& plan, const plan::index& index) {
    co_await require_uses(session, index, catalog::trees::of_index(name_of(plan, index)));
}

awaitable<void> make_drafts(workspace& work, std::vector<const plan::index*> indexes) {
    for (const plan::index* each : indexes) {
        if (!is_open(*each) || each->exclusive || each->meaning.draft_sql.empty()) {
            continue;
        }
        work.progress.detail = "beginning " + display_identifier(each->name);
        const index_state state = co_await left_behind(work, *each);
        if (state == index_state::absent) {
            co_await make_draft(work, *each);
        }
    }
}

}  // namespace pgeist::build
